"""The Nova control plane: one Nova over all sites, on the back ends of a variant."""

from discovery.deploy.nova.deployment import NovaDeployment
from discovery.deploy.nova.layout import roles_of
from discovery.deploy.nova.memory import nova_memory_mb
from discovery.deploy.nova.settings import NovaSettings
from discovery.deploy.nova.steps import deploy_nova

__all__ = ["NovaDeployment", "NovaSettings", "deploy_nova", "nova_memory_mb", "roles_of"]
