"""SQLAlchemy's pytest plugin, for the process that runs its suite and nothing else."""

import pytest
from sqlalchemy.dialects import registry

registry.register("rome", "discovery.rome.dialect", "RomeDialect")
pytest.register_assert_rewrite("sqlalchemy.testing.assertions")

from sqlalchemy.testing.plugin.pytestplugin import *  # noqa: E402, F403
