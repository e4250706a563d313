"""Client processes, from the side that asks them: started on a site, in OpenStack's environment."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from places import CLIENT, Places

HERE = Path(__file__).parent
PROXY_PORT = 16000


class Worker:
    """One of the ``*_operations.py`` or ``*_requests.py`` of this folder, as a process."""

    def __init__(
        self, places: Places, python: Path, script: str, *words: str, site: str = CLIENT, log: Path
    ) -> None:
        command = places.command(site, str(python), str(HERE / script), *words)
        self.log = log
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env={**os.environ, "OS_NOVA_DISABLE_EVENTLET_PATCHING": "1"},
            )

    def wait_ready(self) -> Worker:
        """When it can be asked."""
        self._read()
        return self

    def ask(self, do: str, **more: Any) -> Any:
        """One request and its answer."""
        self.send(do, **more)
        return self.receive()

    def send(self, do: str, **more: Any) -> None:
        """A request whose answer is fetched later."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **more}) + "\n")
        self._process.stdin.flush()

    def receive(self) -> Any:
        """The answer to the oldest request."""
        answer = self._read()
        if "error" in answer:
            raise SystemExit(f"{self.log.stem}: {answer['error']}")
        return answer["answer"]

    def _read(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"a client ended:\n{self.log.read_text(errors='replace')[-3000:]}")
        return json.loads(line)

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def stop(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


class Proxy:
    """The proxy that counts (`counting.py`), on the client's site."""

    def __init__(self, places: Places, python: Path, port: int, host: str, target: int) -> None:
        words = (str(python), str(HERE / "counting.py"), str(port), host, str(target))
        self._process = subprocess.Popen(
            places.command(CLIENT, *words), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.port = port

    def counts(self) -> dict[str, int]:
        """Turns so far, and those of the push feed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(file=self._process.stdin, flush=True)
        found: dict[str, int] = json.loads(self._process.stdout.readline())
        return found

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
