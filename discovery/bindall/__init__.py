"""A mechanism driver for Neutron's ML2 that binds every port on every host; see ``mechanism``."""
