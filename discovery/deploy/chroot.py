"""A folder with a Debian in it, served over SSH on loopback, so that Ansible can work in it.

The server lives in mount and PID namespaces of its own whose first process dies with the thread
that started it: whatever ends this program, no process and no mount stays behind.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from discovery.errors import MachineError

if TYPE_CHECKING:
    import enoslib as en

# $1 the folder, $2 the port, $3 a file of authorised keys, $4 the machine's CA certificates.
_SERVE = """
set -e
root=$1
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mkdir -p "$root/run/sshd" "$root/run/lock" "$root/run/host"
install -m 600 "$3" "$root/run/host/authorized_keys"
install -m 644 "$4" "$root/run/host/ca.crt"
rm -f "$root/etc/resolv.conf"
: > "$root/etc/resolv.conf"
mount --bind -o ro "$(readlink -f /etc/resolv.conf)" "$root/etc/resolv.conf"
exec chroot "$root" /usr/sbin/sshd -D -e -p "$2" -o ListenAddress=127.0.0.1 \
    -o AuthorizedKeysFile=/run/host/authorized_keys -o PermitRootLogin=prohibit-password \
    -o PasswordAuthentication=no -o UsePAM=no -o PidFile=none -o StrictModes=no
"""

CA_CERTIFICATES = "/run/host/ca.crt"

# Dies with us, and takes all that it started with it.
CONTAINED = (
    *("setpriv", "--pdeathsig", "KILL"),
    *("unshare", "--mount", "--pid", "--fork", "--kill-child=KILL"),
)


@contextmanager
def served(root: Path, work: Path) -> Iterator[en.Host]:
    """Serve ``root`` over SSH and yield it as an EnOSlib host; keys and log go to ``work``."""
    import enoslib as en  # noqa: PLC0415  (1.5 s, and registries are read often)

    key = work / "key"
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "image", "-f", str(key)],
        check=True,
        capture_output=True,
    )
    port = _free_port()
    log = work / "sshd.log"
    with log.open("w") as out:
        server = subprocess.Popen(
            [
                *CONTAINED,
                *("sh", "-c", _SERVE, "serve"),
                *(str(root), str(port), str(key.with_suffix(".pub")), str(_ca_certificates())),
            ],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        _await_banner(server, port, log)
        yield en.Host("127.0.0.1", alias="image", user="root", keyfile=str(key), port=port)
    finally:
        server.kill()
        server.wait()


def contained_programs() -> list[str]:
    """The programs that :func:`served` needs and this machine lacks."""
    return [name for name in ("setpriv", "unshare", "ssh-keygen", "ssh") if not shutil.which(name)]


def _ca_certificates() -> Path:
    """The machine's CA certificates: behind a company's proxy they hold the company's own."""
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        if os.environ.get(name) and Path(os.environ[name]).is_file():
            return Path(os.environ[name])
    standard = Path("/etc/ssl/certs/ca-certificates.crt")
    if not standard.is_file():
        raise MachineError(f"{standard} is missing: apt-get install ca-certificates")
    return standard


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await_banner(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + 20
    while server.poll() is None and time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
                connection.settimeout(1)
                if connection.recv(4) == b"SSH-":
                    return
        except OSError:
            time.sleep(0.05)
    words = " ".join(log.read_text(errors="replace").split()) or "no message"
    raise MachineError(f"the node image could not be served over SSH: {words}")
