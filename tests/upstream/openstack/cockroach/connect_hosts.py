"""Connect as a service does, through oslo.db, and print the port of the host that let us in.

    connect_hosts.py URL

Or the name of the error, after two tries. Runs with the Python that has oslo.db.
"""

import logging
import sys

from oslo_db import exception
from oslo_db.sqlalchemy import engines
from sqlalchemy.exc import OperationalError

logging.disable(logging.CRITICAL)
try:
    engine = engines.create_engine(sys.argv[1], max_retries=2, retry_interval=0)
except (exception.DBError, OperationalError) as error:
    print(type(error).__name__)
else:
    with engine.connect() as connection:
        print(connection.connection.dbapi_connection.info.port)
