"""SQLAlchemy's pytest plugin, for the process that runs a dialect suite and nothing else."""

import pytest

pytest.register_assert_rewrite("sqlalchemy.testing.assertions")

from sqlalchemy.testing.plugin.pytestplugin import *  # noqa: E402, F403
