"""The ``grid5000`` provider: nodes of Grid'5000."""
