"""Deployment: what is installed on the nodes, and how it is proven to work."""
