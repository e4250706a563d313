"""Analysis: statistics, plots and tables that the notebooks call."""
