"""Redis through TLS, with and without a client's certificate, and what goes wrong there."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis
from sqlalchemy import create_engine, exc, text

from discovery.rome import errors
from discovery.rome.integrity import check
from discovery.rome.status import status
from discovery.rome.urls import settings_of
from tests.redis_servers import RedisServer, free_port, redis_cluster, redis_server, until

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")


@dataclass
class Papers:
    """An authority, and what it has signed."""

    folder: Path

    def make(self):
        self._run("req", "-x509", *self._new("ca"), "-subj", "/CN=authority", "-days", "2")
        for name, host in (("server", "IP:127.0.0.1"), ("elsewhere", "DNS:redis.example")):
            self._sign(name, host)
        self._sign("client", "DNS:client")
        return self

    def _new(self, name):
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        return (*key, "-keyout", self[f"{name}.key"], "-out", self[f"{name}.pem"])

    def _sign(self, name, host):
        self._run(
            *("req", "-x509", *self._new(name), "-subj", f"/CN={name}", "-days", "2"),
            *("-CA", self["ca.pem"], "-CAkey", self["ca.key"]),
            *("-addext", f"subjectAltName={host}", "-addext", "basicConstraints=critical,CA:FALSE"),
        )

    def _run(self, *arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True)

    def __getitem__(self, name):
        return str(self.folder / name)

    def server(self, name="server", clients="no"):
        """Options of redis-server; the plain port stays, for what the test itself asks."""
        return (
            *("--tls-cert-file", self[f"{name}.pem"], "--tls-key-file", self[f"{name}.key"]),
            *("--tls-ca-cert-file", self["ca.pem"], "--tls-auth-clients", clients),
        )


@pytest.fixture(scope="module")
def papers(tmp_path_factory):
    return Papers(tmp_path_factory.mktemp("papers")).make()


@pytest.fixture(scope="module")
def encrypted(papers, tmp_path_factory):
    """A server and its TLS port."""
    port = free_port()
    folder = tmp_path_factory.mktemp("tls")
    with redis_server(folder, *papers.server(), "--tls-port", port) as server:
        yield server, port


def url(port, database="db", **options):
    query = "&".join(f"{key}={value}" for key, value in options.items())
    return f"rome://127.0.0.1:{port}/{database}?{query}"


def use(address):
    engine = create_engine(address)
    try:
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE t (id INTEGER PRIMARY KEY)"))
            connection.execute(text("INSERT INTO t VALUES (1)"))
        with engine.connect() as connection:
            return connection.execute(text("SELECT count(*) FROM t")).scalar()
    finally:
        engine.dispose()


def refused(address):
    with pytest.raises(exc.DBAPIError) as caught:
        use(address)
    assert isinstance(caught.value.orig, errors.StoreRefused), caught.value.orig
    return str(caught.value.orig)


def test_a_database_through_tls(papers, encrypted):
    server, port = encrypted
    through = url(port, "through", tls="true", ca=papers["ca.pem"])
    assert use(through) == 1
    assert server.ask("EXISTS", "rome:{through}:head") == 1
    assert status(settings_of(through)).server == f"127.0.0.1:{port}"
    assert check(settings_of(through)).violations == ()
    assert use(url(port, "pushed", tls="true", ca=papers["ca.pem"], fresh="push")) == 1


def test_certificates_that_are_not_believed(papers, encrypted, tmp_path):
    _, port = encrypted
    assert "a certificate that cannot be verified" in refused(url(port, tls="true"))
    with redis_server(tmp_path, *papers.server("elsewhere"), "--tls-port", other := free_port()):
        said = refused(url(other, tls="true", ca=papers["ca.pem"]))
        assert "a certificate that cannot be verified; look at ca and at the host" in said
        assert "127.0.0.1" in said


def test_one_side_speaks_tls_and_the_other_does_not(papers, encrypted):
    server, port = encrypted
    said = refused(url(server.port, tls="true", ca=papers["ca.pem"], timeout=0.8))
    assert "speaks no TLS; take tls=true off the URL" in said
    engine = create_engine(url(port))
    with pytest.raises(exc.OperationalError) as caught:
        engine.connect()
    assert "without a word" in str(caught.value.orig) or "speaks TLS" in str(caught.value.orig)


def test_a_client_s_certificate(papers, tmp_path):
    with redis_server(tmp_path, *papers.server(clients="yes"), "--tls-port", port := free_port()):
        ca = papers["ca.pem"]
        said = refused(url(port, tls="true", ca=ca))
        assert "does not take the client's certificate; look at cert and key" in said
        ours = {"cert": papers["client.pem"], "key": papers["client.key"]}
        assert use(url(port, tls="true", ca=ca, **ours)) == 1


def test_files_that_are_none(papers, tmp_path):
    broken = tmp_path / "broken.pem"
    broken.write_text("no certificate")
    for options in (
        {"ca": "/nowhere/ca.pem"},
        {"ca": broken},
        {"cert": papers["client.pem"], "key": papers["server.key"]},
    ):
        with pytest.raises(exc.InterfaceError) as caught:
            use(url(1, tls="true", **options))
        named = str(next(iter(options.values())))
        assert named in str(caught.value.orig)
        assert "files in PEM that can be read" in str(caught.value.orig)


def test_a_cluster_through_tls(papers, tmp_path, monkeypatch):
    start = RedisServer.start

    def with_tls(self):
        if "--tls-port" not in self.options:
            self.options += [*papers.server(), "--tls-port", str(self.port), "--port", "0"]
            self.options += ["--tls-cluster", "yes", "--tls-replication", "yes"]
        return start(self)

    def client(self, **options):
        return redis.Redis(
            host="127.0.0.1", port=self.port, ssl=True, ssl_ca_certs=papers["ca.pem"], **options
        )

    monkeypatch.setattr(RedisServer, "start", with_tls)
    monkeypatch.setattr(RedisServer, "client", client)
    with redis_cluster(tmp_path, masters=1, replicas=0) as cluster:
        address = cluster.url("db", tls=True, ca=papers["ca.pem"])
        assert use(address) == 1
        assert until(lambda: cluster.master_of("db").ask("EXISTS", "rome:{db}:head"), "it is there")
