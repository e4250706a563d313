"""The local provider: nodes are booted systemd-nspawn machines in network namespaces."""
