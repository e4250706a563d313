"""Machines that are not ours: looked at over SSH before they are used, put back afterwards.

Nothing of this changes a machine but :func:`put_back`.
"""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from discovery.errors import TestbedError

CONNECT_TIMEOUT_S = 10
COMMAND_TIMEOUT_S = 60

# What the workbench starts on a node is a unit with this beginning, whatever starts it.
_RUNNING = (
    "systemctl list-units 'discovery-*' --type=service --plain --no-legend | awk '{print $1}'"
)
# NetemHTB puts an HTB queue at the root of an interface.
_SHAPED = """tc qdisc show 2>/dev/null | awk '$2 == "htb" && / root / {print $5}'"""

_LOOK = f"""
echo "user $(id -u)"
. /etc/os-release; echo "system $ID $VERSION_ID"
echo "python $(command -v python3)"
[ -d /run/systemd/system ] && echo "init systemd"
echo "addresses" $(ip -4 -o address | awk '{{print $4}}')
echo "services" $({_RUNNING})
echo "shaped" $({_SHAPED})
"""

# Expects the variables `services` and `shaped`: what the machine had before.
_PUT_BACK = f"""
for unit in $({_RUNNING}); do
  case " $services " in *" $unit "*) ;; *) echo "$unit" ;; esac
done | xargs -r systemctl stop
for device in $({_SHAPED}); do
  case " $shaped " in *" $device "*) ;; *) tc qdisc del dev "$device" root ;; esac
done
"""


@dataclass(frozen=True)
class Machine:
    """How a node's machine is reached over SSH; what is None is left to the user's ssh config."""

    alias: str
    address: str
    user: str
    keyfile: str | None = None
    port: int | None = None

    @property
    def target(self) -> list[str]:
        """The arguments of ``ssh`` that name this machine."""
        key = ["-i", self.keyfile] if self.keyfile else []
        port = ["-p", str(self.port)] if self.port else []
        return [*key, *port, f"{self.user}@{self.address}"]

    @property
    def command(self) -> str:
        """The command with which a person would try to reach it."""
        return shlex.join(["ssh", *self.target])

    def run(self, script: str) -> str:
        """What ``script`` prints there; a :class:`TestbedError` if it cannot be run."""
        # Host keys are not checked, as EnOSlib does: testbeds reinstall their machines all day.
        options = [
            *("-o", "BatchMode=yes", "-o", f"ConnectTimeout={CONNECT_TIMEOUT_S}"),
            *("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"),
            *("-o", "LogLevel=ERROR", "-o", "ControlPath=none"),
        ]
        try:
            done = subprocess.run(
                ["ssh", *options, *self.target, "sh -s"],
                input=script,
                capture_output=True,
                text=True,
                timeout=COMMAND_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise TestbedError(
                f"{self.alias} does not answer within {COMMAND_TIMEOUT_S} s; try `{self.command}`."
            ) from None
        if done.returncode == 255:
            raise TestbedError(
                f"{self.alias} cannot be reached ({_last_line(done.stderr)}); try `{self.command}`."
            )
        if done.returncode:
            raise TestbedError(
                f"{self.alias} answers on SSH but cannot be used ({_last_line(done.stderr)}); "
                f"look at it with `{self.command}`."
            )
        return done.stdout


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else "it said nothing"


@dataclass(frozen=True)
class Found:
    """What a machine had before it was leased.

    ``services`` are those that are named like ours, ``shaped`` its shaped interfaces.
    """

    services: list[str]
    shaped: list[str]


def look(machines: Mapping[Machine, str]) -> dict[str, Found]:
    """Check every machine (→ its testbed address); what each has, by alias.

    The first that cannot be used is a :class:`TestbedError`; nothing has been changed then.
    """
    with ThreadPoolExecutor(max_workers=8) as pool:
        answers = list(pool.map(lambda machine: machine.run(_LOOK), machines))
    return {
        machine.alias: _check(machine, address, answer)
        for (machine, address), answer in zip(machines.items(), answers, strict=True)
    }


def _check(machine: Machine, address: str, answer: str) -> Found:
    facts: dict[str, list[str]] = {}
    for line in answer.splitlines():
        key, *values = line.split() or [""]
        facts[key] = values
    remedies = {
        "log in as root there": facts.get("user") == ["0"],
        "install Debian 12 there": facts.get("system") == ["debian", "12"],
        "install python3 there": bool(facts.get("python")),
        "boot it with systemd": facts.get("init") == ["systemd"],
    }
    for remedy, good in remedies.items():
        if not good:
            raise TestbedError(
                f"{machine.alias} ({machine.address}) cannot be a node: {remedy}, "
                f"then try `{machine.command}`."
            )
    addresses = [found.split("/")[0] for found in facts.get("addresses", [])]
    if address not in addresses:
        raise TestbedError(
            f"{machine.alias} ({machine.address}) does not have the testbed address {address} but "
            f"{', '.join(addresses)}; correct its `testbed_address`."
        )
    return Found(facts.get("services", []), facts.get("shaped", []))


def put_back(machine: Machine, found: Found) -> None:
    """Stop what the lease started on ``machine``, and unshape its interfaces."""
    before = "".join(
        f"{name}={shlex.quote(' '.join(values))}\n" for name, values in vars(found).items()
    )
    machine.run(before + _PUT_BACK)


def as_record(thing: Machine | Found) -> dict[str, Any]:
    """As the ledger keeps it; ``Machine(**record)`` or ``Found(**record)`` is it again."""
    return dict(vars(thing))
