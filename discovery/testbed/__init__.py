"""Testbed: leases of nodes grouped in sites, the WAN between them, and the ledger of what is held."""
