"""`hening-device fleet`: refusals, and a short run against another server in real time."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from client_sim.cli import cli, find_status
from client_sim.fleet.errors import FleetError, TargetError
from tests.cases import case
from tests.client_sim.fleet.conftest import serve_repository
from tests.client_sim.fleet.test_own_server import PUBLIC
from tests.patience import PATIENCE


@pytest.fixture
def served():
    """Serve a repository that is signed now, as the command uses the system's clock."""
    with serve_repository(int(time.time())) as opened:
        yield opened


@pytest.fixture
def root(served, tmp_path):
    """Write the root of the server's repository into a file."""
    file = tmp_path / "1.root.json"
    file.write_bytes(served.repository.trusted_root)
    return file


def run(*words):
    """Run the command in this process."""
    return CliRunner().invoke(cli, ["fleet", *map(str, words)])


def test_usage_errors():
    """The status is 2, and nothing is started."""
    for arguments, words in (
        (("--url", "http://127.0.0.1:8080"), "--url needs --root"),
        (("--load-another-machine",), "need --url"),
        (("--sample", "1"), "--sample needs"),
        (("--devices", "0"), "--devices"),
        (("--hours", "100000"), "--hours"),
    ):
        with case(arguments, words):
            done = run(*arguments)
            assert done.exit_code == 2
            assert words in done.output


def test_another_machine_is_refused(root):
    """An address of another machine is refused before a request, with status 1."""
    done = run("--url", "https://192.0.2.1", "--root", root)
    assert isinstance(done.exception, TargetError)
    assert "--load-another-machine" in str(done.exception)
    assert find_status(done.exception) == 1


@pytest.mark.parametrize("data", [b"", b"garbage", b"{}"])
def test_malformed_root_file(served, tmp_path, data):
    """The operator's mistake has status 1, names the file, and nothing is requested."""
    file = tmp_path / "wrong.json"
    file.write_bytes(data)
    done = run("--url", f"http://127.0.0.1:{served.server.port}", "--root", file)
    assert isinstance(done.exception, FleetError)
    assert str(file) in str(done.exception)
    assert find_status(done.exception) == 1
    assert not served.server.received


def test_existing_state_folder_is_refused(tmp_path):
    """The folder is not changed."""
    done = run("--state", tmp_path)
    assert isinstance(done.exception, FleetError)
    assert list(tmp_path.iterdir()) == []


def test_another_server_is_polled_in_real_time(root, served, tmp_path):
    """With `--wake 1` all 30 phones poll within a second, in place of four hours or more."""
    served.repository.offer()
    page = tmp_path / "page.html"
    url = f"http://127.0.0.1:{served.server.port}"
    done = run(
        *("--url", url, "--root", root, "--devices", 30, "--wake", 1, "--hours", 0.001),
        *("--flaky", 0, "--skewed", 0, "--json", "--out", page),
    )
    assert done.exit_code == 0, done.exception
    report = json.loads(done.stdout)
    assert report["groups"] == 1
    assert report["switched"] == report["arrived"] == report["offers"] == 30
    assert report["server_failures"] == report["outside_the_grammar"] == 0
    assert report["speed"] < 1.1
    assert "30 phones" in page.read_text(encoding="utf-8")


def children(pid):
    """Return the process ids of a process's living children."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


#: A stand-in for `hening-server`: it makes keys, and runs without publishing anything.
SERVER = f"""#!/bin/sh
if [ "$1" = init ]; then
    mkdir -p "$3/keys"
    echo '{json.dumps(PUBLIC)}' > "$3/keys/public.json"
else
    echo http://127.0.0.1:1
    echo started >&2
    exec sleep 600
fi
"""


def test_sigterm_ends_the_fleets_server(tmp_path):
    """A fleet that gets SIGTERM ends its server first."""
    (tmp_path / "server").write_text(SERVER)
    (tmp_path / "server").chmod(0o755)
    program = (
        "import sys; from client_sim.cli import main; from client_sim.fleet import own_server\n"
        "program = sys.argv.pop(); own_server._find_program = lambda: program; main()"
    )
    state = tmp_path / "own"
    command = ("fleet", "--devices", "10", "--hours", "48", "--state", state, tmp_path / "server")
    with subprocess.Popen(
        [sys.executable, "-c", program, *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as process:
        servers = []
        deadline = time.monotonic() + PATIENCE
        log = state / "server.log"
        # Once a server has logged, the fleet holds its handle.
        while not (log.exists() and log.stat().st_size and (servers := children(process.pid))):
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 128 + signal.SIGTERM
    for pid in servers:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
