"""Claims: published numbers, relations with tolerances, verdicts."""
