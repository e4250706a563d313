"""Serve the replayed application on HOST PORT with threads, as a server with workers would."""

import logging
import sys

host, port = sys.argv[1], int(sys.argv[2])
sys.argv[1:] = []  # Keystone reads it

from werkzeug.serving import make_server  # noqa: E402

from discovery.replay.wsgi import application  # noqa: E402

logging.getLogger("werkzeug").setLevel(logging.ERROR)
make_server(host, port, application, threaded=True).serve_forever()
