"""Without `cloud init` no part of the cloud runs, and the other planes work as before."""

import contextlib
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = (
    "import atexit, sys; from server.cli import main\n"
    "def list_cloud(): return [name for name in sys.modules if name.startswith('server.cloud')]\n"
    "atexit.register(lambda: print(*list_cloud(), file=sys.stderr)); main()"
)
LISTENING = "0A"  # tcp(7), as /proc/net/tcp has it
ACCEPTS = "00010000"  # __SO_ACCEPTCON, as /proc/net/unix has it


def processes(pid):
    """Yield a process and all its descendants."""
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            yield from processes(int(child))


def sockets(pids):
    """Return kind and port, or path, of the listening sockets of these processes."""
    own = {target for pid in pids for target in open_files(pid)}
    found = set()
    for kind in ("tcp", "tcp6", "udp", "udp6"):
        for each in fields_of(kind):
            is_open = kind.startswith("udp") or each[3] == LISTENING
            if is_open and f"socket:[{each[9]}]" in own:
                found.add((kind, int(each[1].partition(":")[2], 16)))
    paths = [each for each in fields_of("unix") if each[3] == ACCEPTS]
    return found | {("unix", *each[7:]) for each in paths if f"socket:[{each[6]}]" in own}


def open_files(pid):
    """Yield a process's open files; it may close some meanwhile."""
    for file in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            yield str(file.readlink())


def fields_of(kind):
    """Return the rows of a table in /proc/net."""
    table = Path(f"/proc/net/{kind}")
    return [line.split() for line in table.read_text().splitlines()[1:]] if table.exists() else []


def test_server_without_cloud(world):
    """One process has two ports and the halt socket; it has no cloud module and no cloud file."""
    halts = str(world.folder.root / "run" / "urgent.sock.new")  # the kernel keeps the first name
    command = ["run", "--state", str(world.folder.root), "--port", "0", "--api-port", "0"]
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        addresses = [server.stdout.readline().strip() for _ in range(2)]
        there = list(processes(server.pid))
        found = sockets(there)
        server.send_signal(signal.SIGTERM)
        modules = server.stderr.read().splitlines()[-1]
    ports = {("tcp", int(each.split("/")[2].rpartition(":")[2])) for each in addresses}
    assert there == [server.pid]
    assert found == ports | {("unix", halts)}
    assert server.returncode == 0
    assert modules == ""
    assert not list(world.folder.root.rglob("*cloud*"))


@pytest.mark.parametrize("words", [["run"], ["check"], ["upkeep"], ["backup", "--out", "backup"]])
def test_cloud_commands_without_folder(programs, tmp_path, words):
    """The cloud's commands report the missing folder, and create nothing."""
    done = subprocess.run(
        [*programs.command("hening-server"), "cloud", *words, "--folder", "cloud"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert "there is no cloud in cloud: make one with `hening-server cloud init`." in done.stderr
    assert list(tmp_path.iterdir()) == []
