"""Where the API may listen, and with what TLS."""

import asyncio
import ssl

import aiohttp
import pytest

from server.core.errors import FormatError
from server.release.api.exposure import is_loopback, load_tls
from server.settings import Settings
from tests.server.release.api_world import api_world
from tests.server.release.certificate import write_certificate


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Write a certificate for 127.0.0.1, its key, and the key with a password."""
    return write_certificate(tmp_path_factory.mktemp("tls"))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_loopback_is_plain(host):
    """On this machine alone tokens need no TLS."""
    assert is_loopback(host)
    assert load_tls(Settings(api_host=host, api_port=0)) is None


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "10.0.0.1", "192.168.1.1", "example.org", "", "localhost.example"]
)
def test_beyond_loopback(host):
    """Anywhere else it is TLS, or a proxy that somebody answers for."""
    assert not is_loopback(host)
    with pytest.raises(FormatError, match="in the clear"):
        load_tls(Settings(api_host=host, api_port=0))
    assert load_tls(Settings(api_host=host, api_port=0, api_behind_proxy=True)) is None


@pytest.mark.parametrize("given", ["api_cert", "api_key"])
def test_half_a_pair(given):
    """A certificate without its key is a mistake, on loopback too."""
    with pytest.raises(FormatError, match="go together"):
        load_tls(Settings(api_port=0, **{given: "file.pem"}))


def test_files_that_are_none(tmp_path):
    """Missing files and files that are no PEM are one sentence."""
    file = tmp_path / "file.pem"
    with pytest.raises(FormatError, match="cannot be used"):
        load_tls(Settings(api_port=0, api_cert=str(file), api_key=str(file)))
    file.write_text("rubbish")
    with pytest.raises(FormatError, match="cannot be used"):
        load_tls(Settings(api_port=0, api_cert=str(file), api_key=str(file)))


def test_tls(certificate):
    """The pair gives a context that speaks TLS 1.3."""
    cert, key, _ = certificate
    context = load_tls(
        Settings(api_host="0.0.0.0", api_port=0, api_cert=str(cert), api_key=str(key))
    )
    assert context.minimum_version is ssl.TLSVersion.TLSv1_3


def test_a_key_with_a_password(certificate):
    """It is refused, and nobody is asked on a terminal."""
    cert, _, encrypted = certificate
    with pytest.raises(FormatError, match="cannot be used"):
        load_tls(Settings(api_port=0, api_cert=str(cert), api_key=str(encrypted)))


async def test_over_tls(fresh, certificate):
    """A client that trusts the certificate is served; one that speaks plainly is not."""
    cert, key, _ = certificate
    settings = Settings(api_port=0, api_cert=str(cert), api_key=str(key))
    trusting = await asyncio.to_thread(ssl.create_default_context, cafile=str(cert))
    async with api_world(fresh, settings=settings) as api:
        url = f"https://127.0.0.1:{api.port}/api/v1/health"
        async with api.session.get(url, ssl=trusting) as response:
            assert response.status == 200
        with pytest.raises(aiohttp.ClientConnectionError):
            await api.call("GET", "/health", token=None)
