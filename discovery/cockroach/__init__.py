"""CockroachDB, and PostgreSQL, under OpenStack's services as they are.

=============== ====================================================================
`dialect`       ``cockroachdb+oslo://``, on sqlalchemy-cockroachdb's psycopg2 dialect
`postgresql`    ``postgresql+oslo://``, every transaction SERIALIZABLE unless the URL says otherwise
`driver`        what both do alike: connect, and tell a lost connection from an answer
`connect`       the hosts, local first, and what a connection is opened with
`hosts`         one host after the other, until one lets us in
`states`        what a failed statement or COMMIT says: conflict, lost, unknown
`oslo`          what oslo.db is told about those errors
`foreign_keys`  the indexes that MySQL makes for foreign keys
`migrations`    what alembic is told: dropping unique constraints, and indexes that are ours
`errors`        what is wrong with a URL
=============== ====================================================================

Loaded inside services' processes by SQLAlchemy's entry points: it imports nothing of the workbench.
"""
