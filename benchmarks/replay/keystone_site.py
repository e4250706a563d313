"""Keystones on one database: their configuration, their database made, and each as a process."""

from __future__ import annotations

import http.client
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

HERE = Path(__file__).parent
PASSWORD = "secret"
READY_S = 120.0
CONFIGURATION = """
[DEFAULT]
use_stderr = false
log_file = {folder}/{name}.log
[database]
connection = {url}
max_pool_size = 30
max_overflow = 30
[cache]
enabled = true
backend = {cache}
[token]
provider = fernet
[fernet_tokens]
key_repository = {folder}/fernet-keys
[fernet_receipts]
key_repository = {folder}/fernet-keys
[credential]
key_repository = {folder}/credential-keys
[identity]
password_hash_algorithm = bcrypt
password_hash_rounds = 4
"""
NO_CACHE = "dogpile.cache.null"


def configure(folder: Path, name: str, url: str, cache: str = NO_CACHE) -> Path:
    """The configuration file of one Keystone; they share keys."""
    file = folder / f"{name}.conf"
    file.write_text(CONFIGURATION.format(folder=folder, name=name, url=url, cache=cache))
    return file


def make(python: Path, file: Path, place: Sequence[str] = ()) -> None:
    """Keys, schema, and the first users; ``place`` is put before each command."""
    program = [*place, str(python.parent / "keystone-manage"), "--config-file", str(file)]
    for words in (
        ["fernet_setup", "--keystone-user", "root", "--keystone-group", "root"],
        ["db_sync"],
        ["bootstrap", "--bootstrap-password", PASSWORD],
    ):
        done = subprocess.run([*program, *words], capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"keystone-manage {words[0]}: {done.stderr[-3000:]}")


class Keystone:
    """A process with threads, behind the replay layer."""

    def __init__(
        self,
        python: Path,
        file: Path,
        host: str,
        port: int,
        replay: Mapping[str, str],
        place: Sequence[str] = (),
    ) -> None:
        self.host, self.port = host, port
        self._log = file.with_suffix(".output")
        environment = {
            **os.environ,
            **replay,
            "OS_KEYSTONE_CONFIG_FILES": str(file),
            "REPLAYED_APPLICATION": "keystone.wsgi.api:application",
        }
        with self._log.open("ab") as output:
            command = [*place, str(python), str(HERE / "serve.py"), host, str(port)]
            self.process = subprocess.Popen(
                command, env=environment, stdout=output, stderr=output, stdin=subprocess.DEVNULL
            )

    def wait_ready(self) -> None:
        """When it answers."""
        deadline = time.monotonic() + READY_S
        while True:
            try:
                connection = http.client.HTTPConnection(self.host, self.port, timeout=10)
                connection.request("GET", "/v3")
                status = connection.getresponse().status
                connection.close()
            except OSError:
                status = 0
            if status == 200:
                return
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"Keystone did not start: {self._log.read_text()[-3000:]}")
            time.sleep(0.1)

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
