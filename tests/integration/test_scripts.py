"""The scripts' own sentences: what they say before they do anything."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
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


# Somebody else than root, who may read a checkout that is where only root can.
SOMEBODY = (
    *("setpriv", "--reuid=54321", "--regid=54321", "--clear-groups"),
    *("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"),
)
BARE = {"PATH": "/usr/bin:/bin", "LANG": "C"}


@pytest.fixture
def checkout(tmp_path):
    """What looks like a checkout, and belongs to a user who has no name."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to become somebody else")
    folder = tmp_path / "checkout"
    shutil.copytree(SCRIPTS, folder / "scripts")
    for name in ("discovery", "experiments", "notebooks", "paper", "workflow", "pyproject.toml"):
        (folder / name).symlink_to(SCRIPTS.parent / name)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, 54321, 54321, follow_symlinks=False)
    return folder


def sourced(checkout, command, **environment):
    """Run ``command`` after scripts/lib.sh, as that user."""
    return subprocess.run(
        [*SOMEBODY, "bash", "-c", f". scripts/lib.sh; {command}"],
        cwd=checkout, env=BARE | environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_checkout_that_cannot_be_written_is_one_sentence():
    if os.geteuid() != 0:
        pytest.skip("needs root, to become somebody else")
    done = run(*SOMEBODY, str(SCRIPTS / "reproduce"), "--from-archive", env=BARE)
    assert done.returncode == 3
    assert f"{SCRIPTS.parent} cannot be written by user 54321" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("home", [None, "/nonexistent", "/proc"])
def test_who_has_no_name_no_home_and_no_tmp_gets_them_below_the_checkout(checkout, home):
    given = {"TMPDIR": "/nonexistent", **({"HOME": home} if home else {})}
    show = 'echo "$LOGNAME $USER"; for name in HOME TMPDIR UV_CACHE_DIR XDG_CACHE_HOME MPLCONFIGDIR'
    done = sourced(checkout, f'{show} IPYTHONDIR; do echo "${{!name}}"; done', **given)
    assert done.stderr == ""
    names, its_home, *folders = done.stdout.splitlines()
    assert names == "uid54321 uid54321"
    if home != "/proc":  # a home that is there is kept: what it holds may be wanted
        folders.append(its_home)
    for folder in map(Path, folders):
        assert folder.is_relative_to(checkout / ".lent")
        assert folder.stat().st_uid == 54321


def test_who_has_all_of_it_keeps_it(checkout):
    done = sourced(checkout, "env", HOME=str(checkout), LOGNAME="me", USER="me")
    assert "LOGNAME=me" in done.stdout.splitlines()
    assert "lent" not in done.stdout
    assert not (checkout / ".lent").exists()


def test_snakemake_starts_for_who_has_no_name_and_no_home(checkout):
    binaries = Path(sys.executable).parent
    flow = f"PATH={binaries}:$PATH snakemake --profile workflow/profiles/local --dryrun --quiet"
    archived = "--config source=archive tier=laptop"
    done = sourced(checkout, f"{flow} {archived}", HOME="/nonexistent")
    assert done.returncode == 0, done.stderr[-2000:]
    assert "Traceback" not in done.stderr


def test_the_umask_of_whoever_runs_it_does_not_matter():
    done = run("bash", "-c", f"umask 077; . {SCRIPTS}/lib.sh; umask")
    assert done.stdout == "0022\n"


def test_what_a_killed_run_left_is_swept_by_the_next_and_a_living_ones_is_not(tmp_path):
    own = f"export TMPDIR={tmp_path}; . {SCRIPTS}/lib.sh; own_scratch; touch $TMPDIR/x; "
    for foreign in ("discovery-mine", "tmp.0123"):
        (tmp_path / foreign).mkdir()
    run("bash", "-c", f"{own} kill -KILL $$")
    (left,) = tmp_path.glob("*.scratch")
    living = subprocess.Popen(
        ["bash", "-c", f"{own} echo; read _"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    living.stdout.readline()
    assert not left.exists()
    (other,) = tmp_path.glob("*.scratch")
    done = run("bash", "-c", f"{own} ls {tmp_path}; echo $TMPDIR; mktemp")
    assert other.name in done.stdout
    *_, its_own, made = done.stdout.splitlines()
    assert Path(made).parent == Path(its_own)
    living.communicate(b"\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["discovery-mine", "tmp.0123"]


FULL = """
mount -t tmpfs -o size=100m tmpfs "$1"
cp -r scripts experiments "$1"
"$1/scripts/reproduce" --from-archive
"""


def test_a_disk_without_room_is_told_before_anything_is_installed(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("needs root: a mount namespace")
    done = subprocess.run(
        ["unshare", "--mount", "bash", "-c", FULL, "full", tmp_path],
        cwd=SCRIPTS.parent, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 3
    assert f"need 2500 MB of disk, and {tmp_path} has" in done.stderr
    assert len(done.stderr.splitlines()) == 1
