"""The contract between `hening-device tuf` and a conformance suite."""

import socket
import threading

import pytest

from tests.cases import case
from tests.client_sim.tuf.simulator import DAY, now, serve
from tests.patience import PATIENCE


def test_the_program_itself(device, repository):
    """In processes of their own: init, refresh, download, then a refresh that is refused."""
    repository.add("file", b"data")
    repository.publish("targets")
    metadata = ("--metadata-dir", str(device.metadata))
    assert device.run_process(*metadata, "init", str(device.anchor)) == 0
    with serve(repository) as url:
        metadata = ("--metadata-url", f"{url}/metadata/", *metadata)
        targets = ("--target-dir", str(device.targets), "--target-base-url", f"{url}/targets/")
        assert device.run_process(*metadata, "--target-name", "file", *targets, "download") == 0
        repository.files["metadata/timestamp.json"] = b"{}"
        assert device.run_process(*metadata, "refresh") == 1
    assert device.error.startswith("hening-device tuf: The timestamp metadata was refused")
    assert device.stored == [b"data"]


@pytest.mark.needs("faketime")
def test_the_systems_clock_is_believed(device, repository):
    """Of the process, and in both directions."""
    with serve(repository) as url:
        options = ("--metadata-url", f"{url}/metadata/", "--metadata-dir", str(device.metadata))
        late = f"{now() + 31 * DAY:%Y-%m-%d %H:%M:%S}"
        assert device.run_process(*options, "refresh", before=("faketime", late)) == 1
    assert "expired" in device.error
    assert device.refresh(at=now() - 9_000 * DAY) == 0


FOLDER = ("--metadata-dir", "{metadata}")
NOBODY = ("--metadata-url", "http://127.0.0.1:1/")
WRONG = [
    (),
    ("nonsense",),
    ("--nonsense", "refresh"),
    ("refresh",),
    ("init",),
    ("download",),
    ("--metadata-dir", "{folder}", "init"),
    ("--metadata-dir", "{folder}", "init", "{folder}/absent"),
    ("--metadata-dir", "{folder}/anchor.json", "init", "{folder}/anchor.json"),
    ("--metadata-dir", "{folder}/empty", *NOBODY, "refresh"),
    (*FOLDER, "refresh"),
    (*FOLDER, *NOBODY, "refresh"),
    (*FOLDER, *NOBODY, "download"),
    (*FOLDER, "refresh", *NOBODY),
    *(
        (*FOLDER, "--metadata-url", url, "refresh")
        for url in (
            *("http://127.0.0.1:0/", "http://127.0.0.1:99999/", "http://[::1/", ""),
            *("ftp://127.0.0.1/", "https://127.0.0.1/", "http://192.0.2.1/"),
        )
    ),
]


def test_whatever_goes_wrong_is_status_1(device):
    """Wrong usage, an absent server, a wrong folder: a sentence and 1, never 2 or 3."""
    names = {"folder": device.folder, "metadata": device.metadata}
    for arguments in WRONG:
        with case(*arguments):
            assert device.run(*(part.format(**names) for part in arguments)) == 1
            assert device.error.strip()


def test_help_is_status_0(device):
    """Help is there for each command."""
    for command in ((), ("init",), ("refresh",), ("download",)):
        assert device.run(*command, "--help") == 0
        assert "Usage: hening-device tuf" in device.output


def test_only_what_is_asked_leaves(device):
    """A request is three lines, the same as a phone's."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        url = f"http://127.0.0.1:{port}/a b/metadata?x=ü"
        listener.settimeout(PATIENCE)
        heard = []

        def hear():
            wire, _ = listener.accept()
            with wire:
                heard.append(wire.recv(65_536))

        thread = threading.Thread(target=hear)
        thread.start()
        options = ("--metadata-url", url, "--metadata-dir", str(device.metadata))
        assert device.run(*options, "refresh") == 1
        thread.join()
    assert heard[0].split(b"\r\n")[1:] == [
        b"Host: 127.0.0.1:%d" % port,
        b"Accept-Encoding: gzip",
        b"",
        b"",
    ]
    assert heard[0].split(b" ")[1].isascii()
