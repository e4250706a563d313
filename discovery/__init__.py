"""Re-run the Discovery initiative's evaluations of decentralised OpenStack control planes."""

__version__ = "0.1.0"
