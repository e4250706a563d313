"""Every test that alembic has for a dialect that lives outside of it."""

from alembic.testing.suite import *  # noqa: F403
