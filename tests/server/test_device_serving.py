"""Settings of the device plane's listeners that cannot be used, and their error messages."""

import asyncio
import os
import socket
from contextlib import closing

import pytest

from server.app import running
from server.core.errors import FormatError
from server.device_serving import Inherited, read_back_url
from server.settings import Settings
from server.storage.errors import StorageError
from tests.server.release.certificate import write_certificate


@pytest.fixture(scope="module")
def pem(tmp_path_factory):
    """Return the paths of a certificate, its key, and the key with a password."""
    return [str(file) for file in write_certificate(tmp_path_factory.mktemp("pem"))]


def cases(pem, tmp_path):
    """Return pairs of settings and the error message that they cause."""
    rubbish = tmp_path / "rubbish"
    rubbish.write_bytes(b"-----BEGIN CERTIFICATE-----\n")
    large = tmp_path / "large"
    large.write_bytes(bytes((1 << 20) + 1))
    cert, key, locked = pem
    together = "tls_cert and tls_key go together"
    unusable = "tls_cert and tls_key cannot be used: "
    url = "https://updates.example"
    return [
        ({"tls_cert": cert}, together),
        ({"tls_key": key}, together),
        ({"tls_cert": cert, "tls_key": key}, "set public_url, too: the server must know"),
        ({"tls_cert": cert, "tls_key": locked, "public_url": url}, unusable),
        ({"tls_cert": str(rubbish), "tls_key": key, "public_url": url}, unusable),
        ({"tls_cert": key, "tls_key": cert, "public_url": url}, unusable),
        ({"tls_cert": str(large), "tls_key": key, "public_url": url}, "is larger than 1048576"),
    ]


async def test_unusable_tls_settings_are_refused(world, pem, tmp_path):
    """Unusable TLS settings stop the server at its start, with a message."""
    for changes, sentence in await asyncio.to_thread(cases, pem, tmp_path):
        with pytest.raises(FormatError, match=sentence):
            async with running(
                world.folder, Settings(port=0, **changes), world.now, entropy=os.urandom
            ):
                pass
    gone = Settings(port=0, tls_cert="/no/cert", tls_key="/no/key", public_url="https://a.example")
    with pytest.raises(FileNotFoundError, match="/no/cert"):
        async with running(world.folder, gone, world.now, entropy=os.urandom):
            pass


@pytest.mark.parametrize("workers", [0, 2])
async def test_unusable_sockets_are_refused(world, workers):
    """A port in use, or a socket path that is a regular file, stops the server at its start."""
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        taken = Settings(port=other.getsockname()[1], workers=workers)
        with pytest.raises(StorageError, match="is in use: choose another with --port"):
            async with running(world.folder, taken, world.now, entropy=os.urandom):
                pass
    wrong = Settings(port=0, workers=workers, socket=str(world.folder.trusted_root))
    with pytest.raises(StorageError, match="exists and is not a socket"):
        async with running(world.folder, wrong, world.now, entropy=os.urandom):
            pass


async def test_unix_sockets_without_tcp_are_refused(world, tmp_path):
    """Unix sockets alone are refused: the server could not know its TCP address."""
    with socket.socket(socket.AF_UNIX) as passed:
        passed.bind(str(tmp_path / "s"))
        passed.listen()
        inherited = Inherited([passed], {}, asyncio.Event())
        with pytest.raises(FormatError, match="no TCP socket was passed"):
            async with running(
                world.folder, Settings(), world.now, entropy=os.urandom, inherited=inherited
            ):
                pass


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        (Settings(), "http://127.0.0.1:{port}"),
        (Settings(host="::1"), "http://[::1]:{port}"),
        (Settings(public_url="https://a.example"), "https://a.example"),
    ],
)
def test_read_back_url(settings, url):
    """Read-back uses the public address, or else the first TCP socket."""
    with closing(socket.create_server(("127.0.0.1", 0))) as one:
        assert read_back_url(settings, [one]) == url.format(port=one.getsockname()[1])
