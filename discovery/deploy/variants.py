"""The variants: for each OpenStack service, the back end that holds its state."""

from __future__ import annotations

VARIANTS: dict[str, dict[str, str]] = {
    "vanilla": {"keystone": "mariadb"},
    "vanilla-galera": {"keystone": "galera"},
    "vanilla-postgresql": {"keystone": "postgresql"},
    "vanilla-postgresql-serializable": {"keystone": "postgresql-serializable"},
    "cockroach-keystone": {"keystone": "cockroachdb"},
    "rome": {"keystone": "rome"},
    "rome-cluster": {"keystone": "rome-cluster"},
}
