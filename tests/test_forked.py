"""A forked command behaves to its caller like a separate process."""

import signal
import socket
import subprocess

import pytest

from tests.cases import case
from tests.patience import PATIENCE, until


def run(programs, name, *words, **how):
    """Run a command to its end."""
    command = [*programs.command(name), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, **how)


def test_status_streams_and_environment(programs, tmp_path):
    """A command has its own exit status and output, and the caller's folder and environment."""
    done = run(programs, "hening-server", "init", "--state", "here", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "here" / "keys").is_dir()
    refused = run(programs, "hening-server", "check", "--state", "nowhere", cwd=tmp_path)
    assert (refused.returncode, refused.stdout) == (3, "")
    assert "there is no server state in nowhere" in refused.stderr
    environment = {"HENING_PORT": "none", "LC_ALL": "C.UTF-8"}
    misled = run(programs, "hening-server", "run", "--state", "here", cwd=tmp_path, env=environment)
    assert misled.returncode != 0
    assert "port" in misled.stderr.lower()


def test_descriptors(programs, tmp_path):
    """A command inherits its caller's descriptors under the same numbers, and no others."""
    with (tmp_path / "file").open("w+") as file:
        told = "import os; print(*sorted(map(int, os.listdir('/proc/self/fd'))))"
        told += f"; os.write({file.fileno()}, b'here')"
        done = run(programs, "python", "-c", told, pass_fds=[file.fileno()])
        # Descriptor 3 is that of the listed folder itself.
        assert (done.returncode, done.stdout) == (0, f"0 1 2 3 {file.fileno()}\n"), done.stderr
        assert (tmp_path / "file").read_text() == "here"


@pytest.mark.parametrize(
    ("sent", "status"), [(signal.SIGTERM, 0), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_signals(programs, world, sent, status):
    """SIGTERM reaches the command; if the caller is killed, the command is killed too."""
    words = ("run", "--state", str(world.folder.root), "--port", "0")
    with subprocess.Popen(
        [*programs.command("hening-server"), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        port = int(server.stdout.readline().rpartition(":")[2])
        server.send_signal(sent)
        assert server.wait(PATIENCE) == status

        def is_closed():
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) != 0

        until(is_closed)


def test_case_is_named():
    """A failing row's name is in the message, and the exception stays the same."""
    with pytest.raises(AssertionError) as caught, case("third", 3):
        raise AssertionError("wrong")
    assert caught.value.__notes__ == ["in the case 'third', 3"]
