"""The control plane in the running server."""

import asyncio
import contextlib
import os
import shutil
import ssl

import aiohttp
import pytest
import structlog

import server.full_node
from server import publish_loop
from server.app import running
from server.core.errors import FormatError
from server.publisher.publisher import Publisher
from server.release.api.operation import Reply
from server.release.api.serving import Certificates, is_loopback, load_tls
from server.settings import Settings
from server.storage.errors import StorageError
from tests.server.release.api.toys import Toy, operation
from tests.server.release.api_world import api_world
from tests.server.release.auth.issue import make_token
from tests.server.release.certificate import write_certificate
from tests.server.world import PACKAGE_2

ON = Settings(port=0, api_port=0)


@pytest.fixture
def published(monkeypatch):
    """Return a queue with the statuses of the submissions that each look for bundles processed."""
    results, process = asyncio.Queue(), Publisher.process_incoming

    async def process_incoming(publisher):
        found = await process(publisher)
        results.put_nowait([result.status for result in found])
        return found

    monkeypatch.setattr(Publisher, "process_incoming", process_incoming)
    return results


async def test_tokens_of_the_database(world):
    """The server answers the API on its own port and accepts tokens from the database."""
    token = await make_token(world)
    ports = []
    async with (
        running(world.folder, ON, world.now, entropy=os.urandom, announce_api=ports.append) as port,
        aiohttp.ClientSession() as session,
    ):
        assert ports != [port]
        url = f"http://127.0.0.1:{ports[0]}/api/v1"
        for secret, status in ((token, 200), (token[:-1] + "x", 401), ("", 401)):
            headers = {"Authorization": f"Bearer {secret}"}
            async with session.get(f"{url}/status", headers=headers) as response:
                assert response.status == status
        async with session.get(f"http://127.0.0.1:{port}/api/v1/health") as response:
            assert response.status == 400  # not a path of the device plane
        async with session.get(
            f"{url.removesuffix('/api/v1')}/metadata/timestamp.json"
        ) as response:
            assert response.status == 404


async def test_addresses_that_cannot_be_served(world):
    """An unencrypted address beyond loopback is refused; a port in use is named.

    Without `api_port` the API is not served.
    """
    ports = []
    off = Settings(port=0)
    async with running(world.folder, off, world.now, entropy=os.urandom, announce_api=ports.append):
        assert ports == []
    taken = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    port = taken.sockets[0].getsockname()[1]
    async with taken:
        for changes, error, sentence in (
            ({"api_port": 0, "api_host": "0.0.0.0"}, FormatError, "unencrypted"),
            ({"api_port": port}, StorageError, "choose another api_port"),
        ):
            settings = Settings(port=0, **changes)
            with pytest.raises(error, match=sentence):
                async with running(world.folder, settings, world.now, entropy=os.urandom):
                    raise AssertionError


async def test_submission_wakes_the_publisher(world, monkeypatch, published):
    """A submission over the API is published without waiting for the next poll."""
    monkeypatch.setattr(publish_loop, "TICK_SECONDS", 3600.0)
    wakes, serving = [], server.full_node.serving

    def watched(services, registry, **options):
        wakes.append(services.wake)
        return serving(services, registry, **options)

    monkeypatch.setattr(server.full_node, "serving", watched)
    async with running(world.folder, ON, world.now, entropy=os.urandom):
        assert await published.get() == []
        await asyncio.to_thread(world.submit, world.second_release(), [PACKAGE_2])
        wakes[0]()
        assert await published.get() == ["published"]


async def test_shutdown_waits_for_handlers(fresh):
    """When the server ends, requests under way are completed and answered."""
    begun, release = asyncio.Event(), asyncio.Event()

    async def slow(call):
        """Wait."""
        begun.set()
        await release.wait()
        return Reply(call.body)

    body = b'{"name":"bear","colour":"red"}'
    head = (
        "POST /api/v1/slow HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer admin\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    operations = (operation("POST", "/slow", slow, request=Toy, response=Toy),)
    async with api_world(fresh, operations) as api:
        reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
        writer.write(head.encode() + body)
        await begun.wait()
        asyncio.get_running_loop().call_later(0.1, release.set)
    assert (await reader.read()).startswith(b"HTTP/1.1 200 OK\r\n")
    writer.close()


@pytest.fixture
def certificates(tmp_path):
    """Make two certificates with their keys; return their folders by name."""
    folders = {name: tmp_path / name for name in ("first", "second")}
    for folder in folders.values():
        folder.mkdir()
        write_certificate(folder)
    return folders


def der(folder):
    """Return the bytes of a certificate in a folder."""
    return ssl.PEM_cert_to_DER_cert((folder / "cert.pem").read_text())


@contextlib.asynccontextmanager
async def serving(folder):
    """Serve an echo over TLS; yield a function that connects, and the certificates' watcher.

    The function returns the streams and the server's certificate.
    """
    files = [folder / "cert.pem", folder / "key.pem"]
    settings = Settings(api_port=0, api_cert=str(files[0]), api_key=str(files[1]))
    context = await asyncio.to_thread(load_tls, settings)
    watcher = Certificates(context, lambda: load_tls(settings), files)

    async def echo(reader, writer):
        while data := await reader.read(100):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def connect():
        trusting = ssl.create_default_context()
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting)
        return reader, writer, writer.get_extra_info("ssl_object").getpeercert(binary_form=True)

    server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=context)
    async with server:
        await watcher.poll()
        yield connect, watcher


def copy(folder, to, *names):
    """Replace files atomically, as a renewal does."""
    for name in names:
        shutil.copy(folder / name, to / "new")
        (to / "new").replace(to / name)


async def close(*writers):
    """Close connections."""
    for writer in writers:
        writer.close()
        await writer.wait_closed()


async def test_a_renewed_certificate(certificates, tmp_path):
    """After a renewal, new connections get the new certificate; open ones continue."""
    live = tmp_path / "live"
    shutil.copytree(certificates["first"], live)
    async with serving(live) as (connect, watcher):
        reader, writer, served = await connect()
        assert served == der(certificates["first"])
        copy(certificates["second"], live, "cert.pem", "key.pem")
        with structlog.testing.capture_logs() as logs:
            for _ in range(2):
                await watcher.poll()
        assert [entry["event"] for entry in logs] == ["the certificate was read again"]
        _, other, served = await connect()
        assert served == der(certificates["second"])
        writer.write(b"still there")
        assert await reader.readexactly(11) == b"still there"
        await close(writer, other)


async def test_unusable_certificate_files(certificates, tmp_path):
    """With unusable files the former certificate stays, with one alarm, until valid ones follow."""
    for harm in ("half", "gone", "rubbish"):
        live = tmp_path / harm
        shutil.copytree(certificates["first"], live)
        async with serving(live) as (connect, watcher):
            if harm == "half":
                copy(certificates["second"], live, "cert.pem")
            elif harm == "gone":
                (live / "key.pem").unlink()
            else:
                (live / "cert.pem").write_text("rubbish")
            with structlog.testing.capture_logs() as logs:
                await watcher.poll()
                _, writer, served = await connect()
                assert served == der(certificates["first"])
                copy(certificates["second"], live, "cert.pem", "key.pem")
                await watcher.poll()
            events = [entry["event"] for entry in logs]
            assert events == ["alarm", "the certificate was read again"], harm
            assert "the former certificate stays in use" in logs[0]["error"]
            _, other, served = await connect()
            assert served == der(certificates["second"])
            await close(writer, other)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Write a certificate for 127.0.0.1, its key, and the key with a password."""
    return write_certificate(tmp_path_factory.mktemp("tls"))


def test_tls_is_required_beyond_loopback():
    """Beyond loopback, the API needs TLS or a declared proxy."""
    for host in ("127.0.0.1", "127.9.9.9", "::1", "localhost"):
        assert is_loopback(host)
        assert load_tls(Settings(api_host=host, api_port=0)) is None
    private = ("10.0.0.1", "192.168.1.1")
    for host in ("0.0.0.0", "::", *private, "example.org", "", "localhost.example"):
        assert not is_loopback(host)
        with pytest.raises(FormatError, match="unencrypted"):
            load_tls(Settings(api_host=host, api_port=0))
        assert load_tls(Settings(api_host=host, api_port=0, api_behind_proxy=True)) is None


def test_invalid_tls_files(certificate, tmp_path):
    """Incomplete, missing, malformed and password-protected TLS files are refused."""
    cert, key, encrypted = map(str, certificate)
    for half in ({"api_cert": cert}, {"api_key": key}):
        with pytest.raises(FormatError, match="go together"):
            load_tls(Settings(api_port=0, **half))
    rubbish = tmp_path / "file.pem"
    rubbish.write_text("rubbish")
    gone = str(tmp_path / "gone.pem")
    for pair in ((gone, gone), (str(rubbish), str(rubbish)), (cert, encrypted)):
        with pytest.raises(FormatError, match="cannot be used"):
            load_tls(Settings(api_port=0, api_cert=pair[0], api_key=pair[1]))
    context = load_tls(Settings(api_host="0.0.0.0", api_port=0, api_cert=cert, api_key=key))
    assert context.minimum_version is ssl.TLSVersion.TLSv1_3


async def test_over_tls(fresh, certificate):
    """With TLS a client that trusts the certificate is served; a client without TLS is not."""
    cert, key, _ = certificate
    settings = Settings(api_port=0, api_cert=str(cert), api_key=str(key))
    trusting = await asyncio.to_thread(ssl.create_default_context, cafile=str(cert))
    async with api_world(fresh, settings=settings) as api:
        url = f"https://127.0.0.1:{api.port}/api/v1/health"
        async with api.session.get(url, ssl=trusting) as response:
            assert response.status == 200
        with pytest.raises(aiohttp.ClientConnectionError):
            await api.call("GET", "/health", token=None)
