"""Many fake nodes in one nova-compute, for an unmodified Nova.

========== =====================================================================
`driver`   ``ManyNodes``, a fake virtualisation driver with nodes of their own
`settings` how many nodes, and how large each is
`loader`   makes the driver importable as ``nova.virt.discovery``
========== =====================================================================

Loaded inside nova-compute; imports oslo and Nova, and nothing of the workbench.
"""
