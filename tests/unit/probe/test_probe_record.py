"""A record holds what was written, however its process ended."""

import json
import os
import signal
import subprocess
import sys
import threading

import pytest

from discovery.probe.errors import RecordError
from discovery.probe.lines import Header, line, read
from discovery.probe.record import STEP, Record, Records

HEADER = Header("nova-conductor", 7, "site-1-control", "site-1")


def a_line(number=0, function="db.main.api.instance_get"):
    return line(1700000000.25 + number, 0.0125, 2, 5, 0, 1, "nova_cell1", "DBDeadlock", function)


def only(folder):
    (file,) = folder.iterdir()
    return file


def test_a_line_comes_back_as_it_was(tmp_path):
    Record(tmp_path, HEADER).add(a_line())
    header, (call,) = read(only(tmp_path))
    assert header == HEADER
    assert (call.start, call.duration_s, call.statements, call.round_trips) == (
        1700000000.25, 0.0125, 2, 5,
    )  # fmt: skip
    assert (call.connections, call.db_errors, call.database, call.error, call.function) == (
        0, 1, "nova_cell1", "DBDeadlock", "db.main.api.instance_get",
    )  # fmt: skip


def test_a_record_grows(tmp_path):
    record = Record(tmp_path, HEADER)
    many = 3 * STEP // len(a_line())
    for number in range(many):
        record.add(a_line(number))
    header, calls = read(only(tmp_path))
    assert [call.start for call in calls] == [1700000000.25 + n for n in range(many)]
    assert header.lost == 0


def test_threads_lose_nothing(tmp_path):
    record = Record(tmp_path, HEADER)

    def write(name):
        for number in range(2000):
            record.add(a_line(number, f"f{name}"))

    threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    _, calls = read(only(tmp_path))
    for name in range(8):
        own = [call.start for call in calls if call.function == f"f{name}"]
        assert own == [1700000000.25 + number for number in range(2000)]


def test_strays_are_counted_in_the_header(tmp_path):
    record = Record(tmp_path, HEADER)
    record.add(a_line())
    for _ in range(12):
        record.stray()
    header, calls = read(only(tmp_path))
    assert (header.strays, len(calls)) == (12, 1)


WRITER = """
import os, sys
from pathlib import Path
from discovery.probe.lines import Header, line
from discovery.probe.record import Record
record = Record(Path(sys.argv[1]), Header("writer", os.getpid(), "h", "site-1"))
for number in range(1000):
    record.add(line(number, 0.001, 1, 1, 0, 0, "", "", "f"))
print("written", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_lost_when_the_process_is_ended(tmp_path, number):
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdout.readline() == b"written\n"
        writer.send_signal(number)
        writer.wait(30)
    assert len(read(only(tmp_path))[1]) == 1000


FULL = """
import os, resource, sys
from pathlib import Path
from discovery.probe.lines import Header, line
from discovery.probe.record import STEP, Record
resource.setrlimit(resource.RLIMIT_FSIZE, (STEP, STEP))
record = Record(Path(sys.argv[1]), Header("full", os.getpid(), "h", "site-1"))
for number in range(20_000):
    record.add(line(number, 0.001, 1, 1, 0, 0, "", "", "f"))
"""


def test_where_there_is_no_room_lost_calls_are_counted(tmp_path):
    command = [sys.executable, "-c", FULL, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("is not whole") == 1
    header, calls = read(only(tmp_path))
    assert header.lost > 0
    assert header.lost + len(calls) == 20_000


FORKED = """
import ctypes, os, sys
from pathlib import Path
from discovery.probe.lines import Header, line
from discovery.probe.record import Record, Records
folder = Path(sys.argv[1])
records = Records(lambda pid: Record(folder, Header("worker", pid, "h", "site-1")))
records.own().add(line(0, 0.001, 1, 1, 0, 0, "", "", "parent"))
fork = {"python": os.fork, "uwsgi": ctypes.PyDLL(None).fork}[sys.argv[2]]
children = []
for child in range(3):
    pid = fork()
    if not pid:
        for number in range(50):
            records.own().add(line(number, 0.001, 1, 1, 0, 0, "", "", f"child-{child}"))
        os._exit(0)
    children.append(pid)
records.own().add(line(1, 0.001, 1, 1, 0, 0, "", "", "parent"))
print([os.waitpid(pid, 0)[1] for pid in children])
"""


@pytest.mark.parametrize("way", ["python", "uwsgi"])
def test_a_forked_process_has_a_record_of_its_own(tmp_path, way):
    command = [sys.executable, "-c", FORKED, str(tmp_path), way]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == "[0, 0, 0]\n", done.stderr
    found = {}
    for file in tmp_path.iterdir():
        header, calls = read(file)
        assert f"-{header.pid}-" in file.name
        (name,) = {call.function for call in calls}
        found[name] = len(calls)
    assert found == {"parent": 2, "child-0": 50, "child-1": 50, "child-2": 50}


def test_one_process_has_one_record(tmp_path):
    records = Records(lambda pid: Record(tmp_path, HEADER))
    assert records.own() is records.own()
    only(tmp_path)
    assert os.getpid()


def test_a_line_that_was_being_written_is_left_out(tmp_path):
    file = tmp_path / "cut"
    file.write_bytes(HEADER.line() + a_line() + a_line()[:20] + bytes(100))
    assert len(read(file)[1]) == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "does not begin with a header"),
        (b"nonsense\n", "does not begin with a header"),
        (json.dumps({"probe": 9}).encode() + b"\n", "is of version 9; this reads version 1"),
        (HEADER.line() + b"1\t2\t3\n", "line 2 is not a call: '1"),
        (HEADER.line() + a_line() + b"\tx" * 8 + b"\n", "line 3 is not a call"),
    ],
)
def test_what_is_no_record_is_refused(tmp_path, content, said):
    file = tmp_path / "file"
    file.write_bytes(content)
    with pytest.raises(RecordError, match=said) as refused:
        read(file)
    assert str(file) in str(refused.value)
