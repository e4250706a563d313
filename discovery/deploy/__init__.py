"""Deployment: what is installed on the nodes, and how it is proven to work."""

from discovery.deploy.backends import BACKENDS, Backend, memory_mb
from discovery.deploy.credentials import Credentials
from discovery.deploy.deployment import Deployment
from discovery.deploy.steps import deploy

__all__ = ["BACKENDS", "Backend", "Credentials", "Deployment", "deploy", "memory_mb"]
