"""The load scenarios: the seven of the 2018 Keystone study, as Rally knows them.

Each entry says what it would show, in one line, as its ``title``. Read and write shares are those
the study printed (Delavergne, Cherrueau, Lebre 2018, table of its section "Parameters"); they
include the set-up and tear-down of Rally's context.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Scenario:
    """A Rally scenario with the arguments it is always run with.

    ``rally`` is the plugin's name in rally-openstack 4.1, ``args`` its arguments,
    ``published_reads_percent`` the read share printed by the 2018 study.
    """

    name: str
    title: str
    rally: str
    published_reads_percent: float
    args: dict[str, object] = field(default_factory=dict)


SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            name="authenticate-user-and-validate-token",
            title="issue a token, validate it: what Keystone does all day",
            rally="KeystoneBasic.authenticate_user_and_validate_token",
            published_reads_percent=96.46,
        ),
        Scenario(
            name="create-add-and-list-user-roles",
            title="create a role, grant it, list grants",
            rally="KeystoneBasic.create_add_and_list_user_roles",
            published_reads_percent=96.22,
        ),
        Scenario(
            name="create-and-list-tenants",
            title="create a project, list projects",
            rally="KeystoneBasic.create_and_list_tenants",
            published_reads_percent=92.12,
        ),
        Scenario(
            name="get-entities",
            title="create a project, a user and a role, then get each and the services",
            rally="KeystoneBasic.get_entities",
            published_reads_percent=91.9,
        ),
        Scenario(
            name="create-user-update-password",
            title="create a user, change its password: the most writes",
            rally="KeystoneBasic.create_user_update_password",
            published_reads_percent=89.79,
        ),
        Scenario(
            name="create-user-set-enabled-and-delete",
            title="create a user, disable it, delete it",
            rally="KeystoneBasic.create_user_set_enabled_and_delete",
            published_reads_percent=91.07,
        ),
        Scenario(
            name="create-and-list-users",
            title="create a user, list users",
            rally="KeystoneBasic.create_and_list_users",
            published_reads_percent=92.05,
        ),
    )
}
