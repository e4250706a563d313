"""Artifact evaluation: plan, doctor, report and archive."""
