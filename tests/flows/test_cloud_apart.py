"""Without `cloud init` there is no trace of the cloud, and the other planes work as before."""

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


def processes(pid):
    """Yield a process and all its descendants."""
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            yield from processes(int(child))


def ports(pids):
    """Return the TCP ports on which these processes listen."""
    sockets = {str(file.readlink()) for pid in pids for file in Path(f"/proc/{pid}/fd").iterdir()}
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    fields = [line.split() for line in lines]
    return {
        int(each[1].partition(":")[2], 16)
        for each in fields
        if each[3] == LISTENING and f"socket:[{each[9]}]" in sockets
    }


def test_a_server_has_nothing_of_it(world):
    """One process with two sockets, as before; no module and no file of the cloud."""
    command = ["run", "--state", str(world.folder.root), "--port", "0", "--api-port", "0"]
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        addresses = [server.stdout.readline().strip() for _ in range(2)]
        expected = {int(each.split("/")[2].rpartition(":")[2]) for each in addresses}
        there = list(processes(server.pid))
        assert there == [server.pid]
        assert ports(there) == expected
        server.send_signal(signal.SIGTERM)
        modules = server.stderr.read().splitlines()[-1]
    assert server.returncode == 0
    assert modules == ""
    assert not list(world.folder.root.rglob("*cloud*"))


@pytest.mark.parametrize("words", [["run"], ["check"], ["upkeep"], ["backup", "--out", "backup"]])
def test_the_cloud_does_not_begin_by_itself(tmp_path, words):
    """Its commands say what is missing, and create nothing."""
    done = subprocess.run(
        [
            *(sys.executable, "-c", "from server.cli import main; main()"),
            *("cloud", *words, "--folder", "cloud"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert "there is no cloud in cloud: make one with `hening-server cloud init`." in done.stderr
    assert list(tmp_path.iterdir()) == []
