"""Measure OpenStack's services; the command line is `command`'s."""

import sys

from tests.upstream.services.command import main

sys.exit(main())
