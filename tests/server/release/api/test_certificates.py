"""A certificate that is renewed under a listening server."""

import asyncio
import contextlib
import shutil
import ssl

import pytest
import structlog

from server.release.api.certificates import Certificates
from server.release.api.exposure import load_tls
from server.settings import Settings
from tests.server.release.certificate import write_certificate


@pytest.fixture
def made(tmp_path):
    """Make two certificates with their keys; returns their folders by name."""
    folders = {name: tmp_path / name for name in ("first", "second")}
    for folder in folders.values():
        folder.mkdir()
        write_certificate(folder)
    return folders


class Site:
    """A TLS server whose certificate lies in a folder."""

    def __init__(self, folder):
        self.folder = folder
        self.port = 0

    def settings(self):
        """Return the settings that name the files."""
        cert, key = self.folder / "cert.pem", self.folder / "key.pem"
        return Settings(api_port=0, api_cert=str(cert), api_key=str(key))

    async def connect(self):
        """Return a connection and the certificate that it was given."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=context)
        return reader, writer, writer.get_extra_info("ssl_object").getpeercert(binary_form=True)


def der(folder):
    """Return the octets of a certificate in a folder."""
    return ssl.PEM_cert_to_DER_cert((folder / "cert.pem").read_text())


@contextlib.asynccontextmanager
async def serving(folder):
    """Echo over TLS; gives the site and what keeps its certificate."""
    site = Site(folder)
    context = await asyncio.to_thread(load_tls, site.settings())
    files = [folder / "cert.pem", folder / "key.pem"]
    certificates = Certificates(context, lambda: load_tls(site.settings()), files)

    async def echo(reader, writer):
        while data := await reader.read(100):
            writer.write(data)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=context)
    async with server:
        site.port = server.sockets[0].getsockname()[1]
        await certificates.look()
        yield site, certificates


def copy(folder, to, *names):
    """Replace files as a renewal does."""
    for name in names:
        shutil.copy(folder / name, to / "new")
        (to / "new").replace(to / name)


async def test_a_renewed_certificate(made, tmp_path):
    """Connections that stand go on; the next one is given the new one; it is said once."""
    live = tmp_path / "live"
    shutil.copytree(made["first"], live)
    async with serving(live) as (site, certificates):
        reader, writer, given = await site.connect()
        assert given == der(made["first"])
        copy(made["second"], live, "cert.pem", "key.pem")
        with structlog.testing.capture_logs() as logs:
            for _ in range(2):
                await certificates.look()
        assert [entry["event"] for entry in logs] == ["the certificate was read again"]
        _, other, given = await site.connect()
        assert given == der(made["second"])
        writer.write(b"still there")
        assert await reader.readexactly(11) == b"still there"
        for each in (writer, other):
            each.close()
            await each.wait_closed()


@pytest.mark.parametrize("harm", ["half", "gone", "rubbish"])
async def test_files_that_cannot_be_used(made, tmp_path, harm):
    """The former certificate stays, one alarm is raised, and what is whole then counts."""
    live = tmp_path / "live"
    shutil.copytree(made["first"], live)
    async with serving(live) as (site, certificates):
        if harm == "half":
            copy(made["second"], live, "cert.pem")
        elif harm == "gone":
            (live / "key.pem").unlink()
        else:
            (live / "cert.pem").write_text("rubbish")
        with structlog.testing.capture_logs() as logs:
            await certificates.look()
            _, writer, given = await site.connect()
            assert given == der(made["first"])
            copy(made["second"], live, "cert.pem", "key.pem")
            await certificates.look()
        assert [entry["event"] for entry in logs] == ["alarm", "the certificate was read again"]
        assert "stays the former one" in logs[0]["error"]
        _, other, given = await site.connect()
        assert given == der(made["second"])
        for each in (writer, other):
            each.close()
            await each.wait_closed()
