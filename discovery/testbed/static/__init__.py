"""The ``static`` provider: machines that somebody already runs, listed in the testbed file."""
