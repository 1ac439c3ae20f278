"""The contract between `hening-device tuf` and a conformance suite."""

import socket
import threading

import pytest

from tests.cases import case
from tests.client_sim.tuf.simulator import DAY, now, serve
from tests.patience import PATIENCE


def test_commands_in_processes(device, repository):
    """A process exits with 0 or 1, and prints the reason of a failure."""
    repository.add("file", b"data")
    repository.publish("targets")
    with serve(repository) as url:
        options = ("--metadata-url", f"{url}/metadata/", "--metadata-dir", str(device.metadata))
        targets = ("--target-dir", str(device.targets), "--target-base-url", f"{url}/targets/")
        assert device.run_process(*options, "--target-name", "file", *targets, "download") == 0
        repository.files["metadata/timestamp.json"] = b"{}"
        assert device.run_process(*options, "refresh") == 1
    assert device.error.startswith("hening-device tuf: The timestamp metadata was refused")
    assert device.stored == [b"data"]


@pytest.mark.needs("faketime")
def test_system_clock(device, repository):
    """Metadata expires by the clock of the process, also if it is far behind."""
    with serve(repository) as url:
        options = ("--metadata-url", f"{url}/metadata/", "--metadata-dir", str(device.metadata))
        late = f"{now() + 31 * DAY:%Y-%m-%d %H:%M:%S}"
        assert device.run_process(*options, "refresh", before=("faketime", late)) == 1
    assert "expired" in device.error
    assert device.refresh(at=now() - 9_000 * DAY) == 0


FOLDER = ("--metadata-dir", "{metadata}")
NO_SERVER = ("--metadata-url", "http://127.0.0.1:1/")
FAILING = [
    (),
    ("nonsense",),
    ("--nonsense", "refresh"),
    ("refresh",),
    ("init",),
    ("download",),
    ("--metadata-dir", "{folder}", "init"),
    ("--metadata-dir", "{folder}", "init", "{folder}/absent"),
    ("--metadata-dir", "{folder}/anchor.json", "init", "{folder}/anchor.json"),
    ("--metadata-dir", "{folder}/empty", *NO_SERVER, "refresh"),
    (*FOLDER, "refresh"),
    (*FOLDER, *NO_SERVER, "refresh"),
    (*FOLDER, *NO_SERVER, "download"),
    (*FOLDER, "refresh", *NO_SERVER),
    *(
        (*FOLDER, "--metadata-url", url, "refresh")
        for url in (
            *("http://127.0.0.1:0/", "http://127.0.0.1:99999/", "http://[::1/", ""),
            *("ftp://127.0.0.1/", "https://127.0.0.1/", "http://192.0.2.1/"),
        )
    ),
]


def test_failures_have_status_1(device):
    """Usage errors, an absent server and a wrong folder have a message and status 1."""
    names = {"folder": device.folder, "metadata": device.metadata}
    for arguments in FAILING:
        with case(*arguments):
            assert device.run(*(part.format(**names) for part in arguments)) == 1
            assert device.error.strip()


def test_help_is_status_0(device):
    """Each command has help."""
    for command in ((), ("init",), ("refresh",), ("download",)):
        assert device.run(*command, "--help") == 0
        assert "Usage: hening-device tuf" in device.output


def test_bytes_of_a_request(device):
    """A request has the three lines of a phone's."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        url = f"http://127.0.0.1:{port}/a b/metadata?x=ü"
        listener.settimeout(PATIENCE)
        received = []

        def receive():
            wire, _ = listener.accept()
            with wire:
                received.append(wire.recv(65_536))

        thread = threading.Thread(target=receive)
        thread.start()
        options = ("--metadata-url", url, "--metadata-dir", str(device.metadata))
        assert device.run(*options, "refresh") == 1
        thread.join()
    assert received[0].split(b"\r\n")[1:] == [
        b"Host: 127.0.0.1:%d" % port,
        b"Accept-Encoding: gzip",
        b"",
        b"",
    ]
    assert received[0].split(b" ")[1].isascii()
