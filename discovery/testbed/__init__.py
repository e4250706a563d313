"""Testbed: leases of nodes grouped in sites, the WAN between them, the ledger of what is held."""
