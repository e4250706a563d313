"""Every test that SQLAlchemy has for a dialect that lives outside of it."""

from sqlalchemy.testing.suite import *  # noqa: F403
