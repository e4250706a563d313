"""Print what alembic finds in a database that Keystone's models do not have, or have otherwise.

    compare_models.py URL CONFIGURATION

Runs with the Python that has Keystone.
"""

import sys

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from keystone.common import sql
from keystone.server import configure

url, configuration = sys.argv[1:]
sys.argv[1:] = []  # Keystone reads it
configure(config_files=[configuration])
from keystone.server import backends  # noqa: E402

backends.load_backends()
engine = sa.create_engine(url)
with engine.connect() as connection:
    for difference in compare_metadata(
        MigrationContext.configure(connection), sql.ModelBase.metadata
    ):
        print("difference:", difference)
