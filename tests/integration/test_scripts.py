"""The scripts' own sentences: what they say before they do anything."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"


def run(*command: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--teir", "smoke"], "does not know --teir; allowed: --tier smoke|laptop|full|scale"),
        (["--tier"], "--tier needs a value; allowed: smoke, laptop, full, scale"),
        (["--experiment"], "--experiment needs a value"),
        (["--experiment=none"], "no experiment none; allowed: keystone-2018 nova-2017"),
    ],
)
def test_an_unknown_option_is_one_sentence(arguments, said):
    done = run(str(SCRIPTS / "reproduce"), *arguments)
    assert done.returncode != 0
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_tier_that_does_not_exist_is_refused_before_anything_is_leased():
    if os.geteuid() != 0:
        pytest.skip("without root, root is what is asked for first")
    done = run(str(SCRIPTS / "reproduce"), "--tier", "tiny")
    assert done.returncode == 2
    assert "tiny" in done.stderr
    assert "laptop" in done.stderr
    assert "lease" not in done.stdout


def test_without_root_it_says_what_can_be_done():
    # A checkout may be where only root can read, so it is `id` that says who somebody is here.
    somebody = {**os.environ, "BASH_FUNC_id%%": "() { echo 65534; }"}
    done = run(str(SCRIPTS / "reproduce"), "--tier", "smoke", env=somebody)
    assert done.returncode == 3
    assert "needs root" in done.stderr
    assert "--from-archive" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_help_is_the_usage():
    done = run(str(SCRIPTS / "reproduce"), "--help")
    assert done.returncode == 0
    assert "--from-archive" in done.stdout


# What the installation meets, written down by what stands in for apt-get. (A tmpfs hides the
# machine's own /etc and /usr/sbin in a mount namespace of the test's.)
APT = """#!/bin/bash
[ "$1" = install ] || exit 0
for unit in redis-server.service postgresql ssh.service; do
    if [ -x /usr/sbin/policy-rc.d ]; then /usr/sbin/policy-rc.d "$unit" start; fi
    echo "$unit $?"
done >>"$RECORD"
cat /etc/postgresql-common/createcluster.d/discovery.conf >>"$RECORD"
echo "${@:$#-1}" >>"$RECORD"
exit "${APT_ENDS:-0}"
"""
INSTALL = """
set -e
mount -t tmpfs tmpfs /usr/sbin
mount -t tmpfs tmpfs /etc
eval "$BEFORE"
bash -c '. scripts/lib.sh; install_servers redis-server postgresql' || echo "failed: $?"
echo left: $(find /etc /usr/sbin -type f)
cat /usr/sbin/policy-rc.d 2>/dev/null || true
"""
THEIRS = "printf '#!/bin/sh\\nexit 104\\n' >/usr/sbin/policy-rc.d; chmod +x /usr/sbin/policy-rc.d"
FORBIDDEN = ["redis-server.service 101", "postgresql 101"]


@pytest.fixture
def install(tmp_path):
    """Install the tests' servers where this was done ``before``; what was met, and what is left."""
    if os.geteuid() != 0:
        pytest.skip("needs root: a mount namespace")
    record = tmp_path / "record"
    record.touch()
    has = 'case " $INSTALLED " in *" ${*: -1} "*) echo ii ;; *) exit 1 ;; esac'
    for name, text in {
        "apt-get": APT,
        "dpkg-query": f"#!/bin/bash\n{has}\n",
        "systemctl": '#!/bin/bash\necho "systemctl $*" >>"$RECORD"\n',
    }.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)

    def run_it(before="", **environment):
        path = f"{tmp_path}:{os.environ['PATH']}"
        given = {**os.environ, "PATH": path, "RECORD": str(record), "BEFORE": before}
        done = subprocess.run(
            ["unshare", "--mount", "bash", "-c", INSTALL],
            env=given | environment, cwd=SCRIPTS.parent, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return record.read_text().splitlines(), done.stdout

    return run_it


def test_no_server_is_started_or_made_by_installing_it(install):
    met, left = install()
    assert met == [
        *FORBIDDEN,
        "ssh.service 0",
        "create_main_cluster = false",
        "redis-server postgresql",
        "systemctl --quiet disable redis-server",
    ]
    assert left.endswith("left:\n")


def test_what_the_user_forbids_stays_forbidden(install):
    met, left = install(THEIRS)
    assert met[:3] == [*FORBIDDEN, "ssh.service 104"]
    assert left.endswith("left: /usr/sbin/policy-rc.d\n#!/bin/sh\nexit 104\n")


def test_servers_that_are_there_are_left_alone(install):
    assert install(INSTALLED="redis-server postgresql")[0] == []
    met, _ = install(INSTALLED="redis-server")
    assert met[:2] == ["redis-server.service 0", "postgresql 101"]
    assert not [line for line in met if line.startswith("systemctl")]


def test_nothing_is_left_behind_where_an_installation_fails(install):
    _, left = install(THEIRS, APT_ENDS="7")
    assert "failed: 7" in left
    assert left.endswith("left: /usr/sbin/policy-rc.d\n#!/bin/sh\nexit 104\n")


def test_what_a_killed_one_left_is_put_right(install):
    """It had moved the user's policy away; or it had not yet."""
    conf = "mkdir -p /etc/postgresql-common/createcluster.d;"
    conf += "touch /etc/postgresql-common/createcluster.d/discovery.conf;"
    ours = "echo '# scripts/lib.sh installs' >/usr/sbin/policy-rc.d"
    theirs = "left: /usr/sbin/policy-rc.d\n#!/bin/sh\nexit 104\n"
    away = "mv /usr/sbin/policy-rc.d /usr/sbin/policy-rc.d.discovery"
    assert install(f"{conf}{THEIRS};{away};{ours}")[1].endswith(theirs)
    assert install(f"{conf}{THEIRS}")[1].endswith(theirs)
    assert install(f"{conf}{ours}")[1].endswith("left:\n")
