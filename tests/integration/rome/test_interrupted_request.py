"""A request that is interrupted behind its sending leaves no answer to the next one."""

import pytest

from discovery.rome.connections import client_of
from tests.redis_servers import redis_server


def test_the_next_request_gets_its_own_answer(tmp_path, monkeypatch):
    with redis_server(tmp_path) as server:
        client = client_of(("127.0.0.1", server.port), None)
        assert client.ask("ECHO", "first") == b"first"
        kind = client.connection_pool.connection_class
        usual = kind.send_packed_command

        def interrupted(self, *arguments, **options):
            usual(self, *arguments, **options)
            raise KeyboardInterrupt

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(kind, "send_packed_command", interrupted)
            client.ask("ECHO", "second")
        assert client.ask("ECHO", "third") == b"third"
        client.close()
