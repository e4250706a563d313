"""Results: raw files, tidy tables, and the schema of both."""
