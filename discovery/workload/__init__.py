"""Workload: Rally scenarios, load shapes, probes, and the run of one cell."""
