"""One attempt: to whom it goes and to whom never, and what the other side can do about it."""

import asyncio
import datetime as dt
import socket
import ssl
from ipaddress import IPv4Address

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from server.release.webhooks import sender
from server.release.webhooks.sender import Attempt, Sender
from tests.server.release.webhooks.receiver import receiving

PRIVATE = Attempt("the address is private, and only public ones are told")
HEADERS = {"webhook-id": "evt_1", "webhook-timestamp": "1", "webhook-signature": "v1,AA=="}


class Names(AbstractResolver):
    """Resolves every name to what it is given: another list each time, the last one for ever."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = 0

    async def resolve(self, host, port=0, family=socket.AF_UNSPEC):  # noqa: ARG002 - the interface has it
        """Return the next answer."""
        await asyncio.sleep(0)
        self.asked += 1
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [
            {
                "hostname": host,
                "host": address,
                "port": port,
                "family": socket.AF_INET6 if ":" in address else socket.AF_INET,
                "proto": 0,
                "flags": socket.AI_NUMERICHOST,
            }
            for address in found
        ]

    async def close(self):
        """Do nothing."""


async def test_what_is_sent(receiver):
    """A POST of the octets as they are, with the three headers and none that tells about us."""
    assert await Sender(private=True).send(receiver.url, HEADERS, b'{"a":1}\n') == Attempt()
    ((method, headers, body),) = receiver.raw
    assert (method, body) == ("POST", b'{"a":1}\n')
    names = {name.lower() for name in headers}
    assert names == {
        *("host", "content-length", "content-type", "user-agent", "connection"),
        *("webhook-id", "webhook-timestamp", "webhook-signature"),
    }
    assert (headers["Content-Type"], headers["User-Agent"]) == ("application/json", "hening-server")


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_every_success_is_taken(receiver, status):
    """Whatever begins with 2 says that the message was taken."""
    receiver.status = status
    assert await Sender(private=True).send(receiver.url, HEADERS, b"{}") == Attempt()


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 401, 404, 410, 429, 500, 502, 503])
async def test_everything_else_is_a_failure(receiver, status):
    """Redirects are not followed; 410 says never to come back."""
    receiver.status = status
    receiver.headers = {"Location": receiver.url + "/elsewhere"} if status < 400 else {}
    attempt = await Sender(private=True).send(receiver.url, HEADERS, b"{}")
    assert attempt == Attempt(f"answered {status}", gone=status == 410)
    assert len(receiver.raw) == 1


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["8.8.8.8", "127.0.0.1"],
        ["127.0.0.1", "8.8.8.8"],
        ["2606:4700:4700::1111", "::1"],
        ["::ffff:127.0.0.1"],
        ["169.254.169.254"],
        ["64:ff9b::7f00:1"],
        ["0.0.0.0"],
    ],
    ids=" ".join,
)
async def test_a_name_with_a_private_address(receiver, addresses):
    """One private address among several is enough, and no connection is made."""
    url = receiver.url.replace("127.0.0.1", "hooks.example.org")
    names = Names(addresses)
    assert await Sender(private=False, resolver=names).send(url, HEADERS, b"{}") == PRIVATE
    assert (receiver.raw, names.asked) == ([], 1)


async def test_a_name_that_changes_its_mind(receiver, monkeypatch):
    """The address that was checked is the one that is connected to: there is no second look-up."""
    connected = []

    def note(info):
        connected.append(info[4][0])
        raise OSError("not from here")

    monkeypatch.setattr(sender, "_checked_socket", note)
    names = Names(["93.184.216.34"], ["127.0.0.1"])
    url = receiver.url.replace("127.0.0.1", "hooks.example.org")
    attempt = await Sender(private=False, resolver=names).send(url, HEADERS, b"{}")
    assert attempt == Attempt("no connection")
    assert (connected, names.asked, receiver.raw) == (["93.184.216.34"], 1, [])


async def test_a_resolver_that_is_passed_by(receiver, monkeypatch):
    """Where the check of names did not happen, that of the socket still does."""
    monkeypatch.setattr(sender, "CheckedResolver", lambda inner: inner)
    url = receiver.url.replace("127.0.0.1", "hooks.example.org")
    attempt = await Sender(private=False, resolver=Names(["127.0.0.1"])).send(url, HEADERS, b"{}")
    assert (attempt, receiver.raw) == (PRIVATE, [])


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"])
async def test_a_literal_is_checked_at_the_socket(receiver, host):
    """An address in the URL asks no resolver, and is refused all the same."""
    url = receiver.url.replace("127.0.0.1", host)
    assert await Sender(private=False).send(url, HEADERS, b"{}") == PRIVATE
    assert receiver.raw == []


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f000001", "0177.0.0.1"])
async def test_an_abbreviated_literal(receiver, host):
    """What the system would take for loopback goes nowhere, even if it was stored."""
    url = receiver.url.replace("127.0.0.1", host)
    assert (await Sender(private=False).send(url, HEADERS, b"{}")).error != ""
    assert receiver.raw == []


async def test_localhost(receiver):
    """The system's own resolver is behind the check, too."""
    url = receiver.url.replace("127.0.0.1", "localhost")
    assert await Sender(private=False).send(url, HEADERS, b"{}") == PRIVATE
    assert receiver.raw == []


async def test_nobody_listens(unused_tcp_port):
    """A refused connection is a failure without the address in its words."""
    url = f"http://127.0.0.1:{unused_tcp_port}/secret-path"
    assert await Sender(private=True).send(url, HEADERS, b"{}") == Attempt("no connection")


class Raw(asyncio.Protocol):
    """Writes octets whatever it is asked, and keeps the connection open."""

    def __init__(self, octets):
        self.octets = octets

    def connection_made(self, transport):
        """Remember where to write."""
        self.transport = transport

    def data_received(self, _data):
        """Answer the first octets of a request, and nothing further."""
        self.transport.write(self.octets)
        self.octets = b""


async def serve_raw(octets):
    """Start a server of octets; returns it and its URL."""
    server = await asyncio.get_running_loop().create_server(lambda: Raw(octets), "127.0.0.1", 0)
    return server, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


@pytest.mark.parametrize(
    ("octets", "error"),
    [
        (b"", "no answer within 0.3 seconds"),
        (b"HTTP/1.1 200 OK\r\n", "no answer within 0.3 seconds"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 50, "no answer within 0.3 seconds"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "no HTTP answer"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", "no HTTP answer"),
    ],
    ids=["silence", "half a head", "1xx for ever", "another protocol", "a huge head"],
)
async def test_a_hostile_receiver(octets, error):
    """Whatever comes instead of an answer is a failure in the end."""
    timeout = 0.3 if "0.3" in error else 15.0
    server, url = await serve_raw(octets)
    async with server:
        assert await Sender(private=True, timeout=timeout).send(url, HEADERS, b"{}") == Attempt(
            error
        )


async def test_a_body_without_an_end():
    """The status is the answer: a body of a terabyte, compressed or not, is not waited for."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1099511627776\r\nContent-Encoding: gzip\r\n\r\n"
    server, url = await serve_raw(head + b"\0" * 100_000)
    async with server:
        assert await Sender(private=True).send(url, HEADERS, b"{}") == Attempt()


async def test_no_proxy_is_asked(receiver, monkeypatch):
    """A proxy in the environment would look names up itself, so it is not asked."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9/")
    assert await Sender(private=True).send(receiver.url, HEADERS, b"{}") == Attempt()


def certificate(folder):
    """Make a certificate for 127.0.0.1 that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    address = x509.IPAddress(IPv4Address("127.0.0.1"))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "cert.pem"
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(pem + made.public_bytes(serialization.Encoding.PEM))
    return path


async def test_certificates_are_verified(tmp_path):
    """A certificate that nobody vouches for ends the attempt; one that is trusted does not."""
    path = await asyncio.to_thread(certificate, tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    await asyncio.to_thread(tls.load_cert_chain, path)
    trusting = await asyncio.to_thread(ssl.create_default_context, cafile=path)
    async with receiving(tls) as receiver:
        attempt = await Sender(private=True).send(receiver.url, HEADERS, b"{}")
        assert attempt == Attempt("the certificate does not hold")
        assert receiver.raw == []
        sent = await Sender(private=True, tls=trusting).send(receiver.url, HEADERS, b"{}")
        assert (sent, len(receiver.raw)) == (Attempt(), 1)


def test_the_timeout_is_that_of_the_specification():
    """15 to 30 seconds are recommended."""
    assert 15 <= sender.TIMEOUT_SECONDS <= 30
    assert issubclass(sender.PrivateAddressError, OSError)
    assert issubclass(aiohttp.ClientConnectorDNSError, aiohttp.ClientConnectorError)
