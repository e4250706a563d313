"""CockroachDB, and PostgreSQL at SERIALIZABLE, under OpenStack's services as they are.

=============== ====================================================================
`dialect`       ``cockroachdb+oslo://``, on sqlalchemy-cockroachdb's psycopg2 dialect
`postgresql`    ``postgresql+oslo://``, every transaction SERIALIZABLE
`driver`        what both do alike: connect, and tell a lost connection from an answer
`connect`       the hosts, local first, and what a connection is opened with
`hosts`         one host after the other, until one lets us in
`states`        what a failed statement or COMMIT says: conflict, lost, unknown
`oslo`          what oslo.db is told about those errors
`migrations`    what alembic is told about dropping unique constraints
`errors`        what is wrong with a URL
=============== ====================================================================

Loaded inside services' processes by SQLAlchemy's entry points: it imports nothing of the workbench.
"""
