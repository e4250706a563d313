"""Programs that are copied to the nodes and run there, each alone, outside this package."""
