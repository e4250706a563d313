"""CockroachDB's own program and its shape: which one runs, and where it keeps replicas.

========== ==========================================================================
`release`  the version that is pinned, where its vendor has it, under which licence
`program`  finding and checking a program; why there is none
`fetch`    the pinned release, from its vendor
`zones`    placements of replicas, as zone configurations in SQL
`cluster`  what the playbooks are told of a cluster
========== ==========================================================================
"""
