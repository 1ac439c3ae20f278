"""`lab record` as a process to which real clients connect."""

import contextlib
import json
import signal
import socket
import ssl

import pytest
from click.testing import CliRunner

from client_sim.lab.captures.capture import State
from client_sim.lab.captures.loading import load_capture
from client_sim.lab.commands import lab
from fixtures.captures import HOST, POLL, miui_update
from tests.patience import PATIENCE


@pytest.fixture
def recording(programs, tmp_path):
    """Return a context that runs the command and gives its process and its port."""

    @contextlib.contextmanager
    def run(path, *options):
        words = ["lab", "record", path, *options]
        with (
            (tmp_path / "errors").open("ab") as errors,
            programs.start("hening-device", *words, output=errors) as process,
        ):
            try:
                first = process.stdout.readline()
                assert first.startswith("listening at 127.0.0.1:"), first
                yield process, int(first.split(":")[1].split(";")[0])
            finally:
                process.kill()

    return run


def talk(port, *requests, wrap=None):
    """Send requests in turn over one connection; return the first line of each answer."""
    lines = []
    with contextlib.ExitStack() as stack:
        plain = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE))
        stream = plain if wrap is None else stack.enter_context(wrap(plain))
        for request in requests:
            stream.sendall(request)
            lines.append(stream.recv(10_000).split(b"\r\n")[0])
    return lines


def test_poll_is_recorded_byte_for_byte(recording, tmp_path):
    """The command ends after the given number of connections, and prints each request."""
    path = tmp_path / "capture"
    published = tmp_path / "public" / "metadata"
    published.mkdir(parents=True)
    (published / "timestamp.json").write_bytes(b"{}")
    with recording(path, "--metadata", published.parent, "--connections", "2") as (process, port):
        assert talk(port, *POLL) == [b"HTTP/1.1 404 Not Found", b"HTTP/1.1 200 OK"]
        assert talk(port, miui_update()) == [b"HTTP/1.1 404 Not Found"]
        process.wait(PATIENCE)
        lines = process.stdout.read().splitlines()
    assert process.returncode == 0
    assert lines[:2] == [
        "connection 1: GET /metadata/2.root.json HTTP/1.1 -> 404",
        "connection 1: GET /metadata/timestamp.json HTTP/1.1 -> 200",
    ]
    assert lines[-1] == f"{path}: 2 connections, 3 requests; `lab audit` judges them"
    talks = load_capture(path).conversations
    assert [each.data for each in talks] == [b"".join(POLL), miui_update()]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_the_recording(number, recording, tmp_path):
    """Bytes of open connections are in the capture, too."""
    path = tmp_path / "capture"
    with (
        recording(path) as (process, port),
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as stream,
    ):
        stream.sendall(POLL[0] + b"GET /half")
        assert stream.recv(10_000)
        process.send_signal(number)
        process.wait(PATIENCE)
    assert process.returncode == 0
    assert load_capture(path).conversations[0].data == POLL[0] + b"GET /half"


@pytest.mark.needs("tshark")
def test_tls_is_recorded_with_its_keys(recording, certificate, tmp_path):
    """The capture has the ClientHello and the decrypted requests."""
    path = tmp_path / "capture"
    context = ssl.create_default_context(cafile=certificate)
    options = ("--certificate", certificate, "--connections", "2")
    with recording(path, *options) as (process, port):
        for _ in range(2):
            talk(port, *POLL, wrap=lambda plain: context.wrap_socket(plain, server_hostname=HOST))
        process.wait(PATIENCE)
    for each in load_capture(path).conversations:
        assert (each.state, each.data) == (State.DECRYPTED, b"".join(POLL))
        assert each.hello.server_name == HOST.encode()


def test_other_protocols_are_recorded(recording, certificate, tmp_path):
    """Neither invalid HTTP nor plain text in place of TLS ends the recording."""
    path = tmp_path / "capture"
    with recording(path, "--connections", "2") as (process, port):
        assert talk(port, b"\0\1\2\r\n\r\n") == [b"HTTP/1.1 400 Bad Request"]
        with socket.create_connection(("127.0.0.1", port)) as stream:
            stream.sendall(b"half a li")
        process.wait(PATIENCE)
    assert [t.data for t in load_capture(path).conversations] == [b"\0\1\2\r\n\r\n", b"half a li"]
    other = tmp_path / "other"
    with recording(other, "--certificate", certificate, "--seconds", "1") as (process, port):
        with contextlib.suppress(OSError):
            talk(port, POLL[0])
        process.wait(PATIENCE)
    assert [t.data for t in load_capture(other).conversations] == [POLL[0]]


def call(*arguments):
    """Run the command in this process."""
    return CliRunner().invoke(lab, ["record", *map(str, arguments)])


def test_errors_of_record(tmp_path):
    """An existing file, a used port, an invalid key or folder; JSON has nothing but the result."""
    existing = tmp_path / "existing"
    existing.write_bytes(b"")
    assert "name another file" in call(existing).stderr
    assert call(existing).exit_code == 1
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = call(tmp_path / "x", "--port", taken.getsockname()[1])
    assert result.exit_code == 3
    assert result.stderr.startswith("error: ")
    assert list(tmp_path.iterdir()) == [existing]
    result = call(tmp_path / "x", "--certificate", existing)
    assert (result.exit_code, "give a chain and its key as PEM" in result.stderr) == (1, True)
    assert call(tmp_path / "x", "--metadata", tmp_path).exit_code == 1
    assert call(tmp_path / "no" / "x").exit_code == 3
    result = call(tmp_path / "x", "--seconds", "0.01", "--json")
    assert json.loads(result.stdout) == {
        "capture": str(tmp_path / "x"),
        "connections": 0,
        "requests": 0,
    }


@pytest.mark.parametrize(
    "options", [("--listen", "everywhere"), ("--key", __file__), ("--connections", "0")]
)
def test_invalid_options_exit_2(options, tmp_path):
    """No file is opened."""
    assert call(tmp_path / "x", *options).exit_code == 2
