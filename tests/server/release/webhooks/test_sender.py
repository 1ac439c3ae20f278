"""One attempt to send: allowed and forbidden addresses, and hostile receivers."""

import asyncio
import base64
import socket
import ssl
import subprocess
from ipaddress import IPv4Address, IPv6Address, IPv6Network

import pytest
from aiohttp.abc import AbstractResolver
from hypothesis import given
from hypothesis import strategies as st

from server.core.errors import FormatError
from server.release.webhooks import sender
from server.release.webhooks.event import make_secret, sign_message
from server.release.webhooks.sender import Attempt, Sender
from server.release.webhooks.urls import check_url, is_public
from tests.cases import case
from tests.server.release.certificate import write_certificate
from tests.server.release.webhooks.receiver import receiving

PRIVATE = Attempt("the address is private, and events go to public ones only")
HEADERS = {"webhook-id": "evt_1", "webhook-timestamp": "1", "webhook-signature": "v1,AA=="}


class FakeResolver(AbstractResolver):
    """Resolves every name to these lists of addresses in turn; the last one repeats."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = 0

    async def resolve(self, host, port=0, family=socket.AF_UNSPEC):  # noqa: ARG002 - the interface has it
        """Return the next list of addresses."""
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


async def test_request(receiver):
    """A POST has the unchanged bytes and only the required headers."""
    assert await Sender(private=True).send(receiver.url, HEADERS, b'{"a":1}\n') == Attempt()
    ((method, headers, body),) = receiver.raw
    assert (method, body) == ("POST", b'{"a":1}\n')
    names = {name.lower() for name in headers}
    assert names == {
        *("host", "content-length", "content-type", "user-agent", "connection"),
        *("webhook-id", "webhook-timestamp", "webhook-signature"),
    }
    assert (headers["Content-Type"], headers["User-Agent"]) == ("application/json", "hening-server")


async def test_only_2xx_is_a_success(receiver):
    """Only 2xx is a success; redirects are not followed, and 410 means to stop."""
    sending = Sender(private=True)
    for status in (200, 201, 202, 204, 299):
        receiver.status = status
        assert await sending.send(receiver.url, HEADERS, b"{}") == Attempt()
    receiver.headers = {"Location": receiver.url + "/elsewhere"}
    for status in (301, 302, 307, 308, 400, 401, 404, 410, 429, 500, 502, 503):
        receiver.status, before = status, len(receiver.raw)
        attempt = await sending.send(receiver.url, HEADERS, b"{}")
        assert attempt == Attempt(f"answered {status}", gone=status == 410)
        assert len(receiver.raw) == before + 1


async def test_private_addresses_are_refused(receiver):
    """No private address is connected to, whether from DNS or in the URL, in any spelling."""
    for addresses in (
        ["127.0.0.1"],
        ["8.8.8.8", "127.0.0.1"],
        ["127.0.0.1", "8.8.8.8"],
        ["2606:4700:4700::1111", "::1"],
        ["::ffff:127.0.0.1"],
        ["169.254.169.254"],
        ["64:ff9b::7f00:1"],
        ["0.0.0.0"],
    ):
        url = receiver.url.replace("127.0.0.1", "hooks.example.org")
        names = FakeResolver(addresses)
        attempt = await Sender(private=False, resolver=names).send(url, HEADERS, b"{}")
        assert (attempt, names.asked) == (PRIVATE, 1), addresses
    for host in ("127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "localhost"):
        url = receiver.url.replace("127.0.0.1", host)
        assert await Sender(private=False).send(url, HEADERS, b"{}") == PRIVATE, host
    for host in ("127.1", "2130706433", "0x7f000001", "0177.0.0.1"):  # even if it was stored
        url = receiver.url.replace("127.0.0.1", host)
        assert (await Sender(private=False).send(url, HEADERS, b"{}")).error != "", host
    assert receiver.raw == []


async def test_name_is_resolved_once(receiver, monkeypatch):
    """The name is resolved once, so the checked address is the one that is used."""
    connected = []

    def note(info):
        connected.append(info[4][0])
        raise OSError("not from here")

    monkeypatch.setattr(sender, "_checked_socket", note)
    names = FakeResolver(["93.184.216.34"], ["127.0.0.1"])
    url = receiver.url.replace("127.0.0.1", "hooks.example.org")
    attempt = await Sender(private=False, resolver=names).send(url, HEADERS, b"{}")
    assert attempt == Attempt("no connection")
    assert (connected, names.asked, receiver.raw) == (["93.184.216.34"], 1, [])


async def test_socket_refuses_private_addresses(receiver, monkeypatch):
    """If the resolver's check is bypassed, the socket's check still refuses."""
    monkeypatch.setattr(sender, "CheckedResolver", lambda inner: inner)
    url = receiver.url.replace("127.0.0.1", "hooks.example.org")
    attempt = await Sender(private=False, resolver=FakeResolver(["127.0.0.1"])).send(
        url, HEADERS, b"{}"
    )
    assert (attempt, receiver.raw) == (PRIVATE, [])


class Raw(asyncio.Protocol):
    """Answers any request with fixed bytes, and keeps the connection open."""

    def __init__(self, data):
        self.data = data

    def connection_made(self, transport):
        """Store the transport."""
        self.transport = transport

    def data_received(self, _data):
        """Answer the first data that arrives."""
        self.transport.write(self.data)
        self.data = b""


async def serve_raw(data):
    """Start a server that sends fixed bytes; return it and its URL."""
    server = await asyncio.get_running_loop().create_server(lambda: Raw(data), "127.0.0.1", 0)
    return server, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


async def test_invalid_answers():
    """Any answer that is not valid HTTP, or is late, is a failure."""
    late = "no answer within 0.3 seconds"
    for data, error in (
        *((b"", late), (b"HTTP/1.1 200 OK\r\n", late)),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 50, late),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "no HTTP answer"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", "no HTTP answer"),
    ):
        sending = Sender(private=True, timeout=0.3 if error == late else 15.0)
        server, url = await serve_raw(data)
        async with server:
            assert await sending.send(url, HEADERS, b"{}") == Attempt(error)


async def test_answer_body_is_not_read():
    """The answer's body is not read, whatever its size or coding."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1099511627776\r\nContent-Encoding: gzip\r\n\r\n"
    server, url = await serve_raw(head + b"\0" * 100_000)
    async with server:
        assert await Sender(private=True).send(url, HEADERS, b"{}") == Attempt()


async def test_proxy_is_ignored(receiver, monkeypatch, unused_tcp_port):
    """A proxy in the environment is ignored, because it would resolve names itself.

    The message about a refused connection does not contain the address.
    """
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9/")
    assert await Sender(private=True).send(receiver.url, HEADERS, b"{}") == Attempt()
    url = f"http://127.0.0.1:{unused_tcp_port}/secret-path"
    assert await Sender(private=True).send(url, HEADERS, b"{}") == Attempt("no connection")


async def test_certificates_are_verified(tmp_path):
    """An untrusted certificate ends the attempt; a trusted one is accepted."""
    cert, key, _ = await asyncio.to_thread(write_certificate, tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    await asyncio.to_thread(tls.load_cert_chain, cert, key)
    trusting = await asyncio.to_thread(ssl.create_default_context, cafile=cert)
    async with receiving(tls) as receiver:
        attempt = await Sender(private=True).send(receiver.url, HEADERS, b"{}")
        assert attempt == Attempt("the certificate is not valid")
        assert receiver.raw == []
        sent = await Sender(private=True, tls=trusting).send(receiver.url, HEADERS, b"{}")
        assert (sent, len(receiver.raw)) == (Attempt(), 1)


SPECIAL_V4 = [
    *(("0.0.0.0", "0.255.255.255"), ("10.0.0.0", "10.255.255.255")),
    *(("100.64.0.0", "100.127.255.255"), ("127.0.0.0", "127.255.255.255")),
    *(("169.254.0.0", "169.254.255.255"), ("172.16.0.0", "172.31.255.255")),
    *(("192.0.0.0", "192.0.0.255"), ("192.0.2.0", "192.0.2.255")),
    *(("192.31.196.0", "192.31.196.255"), ("192.52.193.0", "192.52.193.255")),
    *(("192.88.99.0", "192.88.99.255"), ("192.168.0.0", "192.168.255.255")),
    *(("192.175.48.0", "192.175.48.255"), ("198.18.0.0", "198.19.255.255")),
    *(("198.51.100.0", "198.51.100.255"), ("203.0.113.0", "203.0.113.255")),
    ("224.0.0.0", "255.255.255.255"),
]


SPECIAL_V6 = [
    *("::", "::1"),  # unspecified, loopback
    # Mapped, compatible and translated IPv4, NAT64, Teredo and 6to4, even of public addresses.
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:8.8.8.8"),
    *("::127.0.0.1", "::ffff:0:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::808:808"),
    *("64:ff9b:1::a00:1", "2001:0:4136:e378:8000:63bf:3fff:fdd2"),
    *("2002:7f00:1::1", "2002:a00:1::1"),
    # Discard, benchmarks, ORCHID, documentation, AS112, segment routing.
    *("100::1", "2001:2::1", "2001:10::1", "2001:20::1", "2001:db8::1", "3fff::1"),
    *("2620:4f:8000::1", "5f00::1"),
    # ULA, one of a cloud's metadata, link-local, a zone, site-local, multicast, unassigned.
    *("fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "2a00:1450:4001::1%eth0"),
    *("fec0::1", "ff02::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "4000::1"),
]


def test_which_ipv4_addresses_are_public():
    """Exactly the special blocks are not public.

    Their edges are tested, and those of each block of 2**18 addresses.
    """
    blocks = [(int(IPv4Address(first)), int(IPv4Address(last))) for first, last in SPECIAL_V4]
    numbers = {start + end for start in range(0, 2**32, 2**18) for end in (0, 0x3FFFF)}
    for first, last in blocks:
        numbers |= {first - 1, first, (first + last) // 2, last, last + 1}
    for number in numbers - {-1, 2**32}:
        expected = not any(first <= number <= last for first, last in blocks)
        assert is_public(str(IPv4Address(number))) is expected, IPv4Address(number)
    for text in ("", "localhost", "127.1", "0x7f.1", "2130706433", "1.1.1.1 "):
        assert not is_public(text)


def test_which_ipv6_addresses_are_public():
    """No address outside the global unicast space, or with an IPv4 address inside, is public."""
    for address in SPECIAL_V6:
        assert not is_public(address), address
    for address in ("2606:4700:4700::1111", "2a00:1450:4001::1", "2001:200::"):
        assert is_public(address)


@given(st.ip_addresses(v=6), st.ip_addresses(v=4))
def test_no_ipv6_address_is_public_that_python_calls_private(address, inner):
    """Every address that Python's `ipaddress` calls private is refused.

    Mapped, translated, NAT64 and 6to4 forms are refused, too.
    """
    if not address.is_global or address not in IPv6Network("2000::/3"):
        assert not is_public(str(address))
    for high in (0xFFFF << 32, 0xFFFF << 48, 0x64FF9B << 96):
        assert not is_public(str(IPv6Address(high | int(inner))))
    assert not is_public(str(IPv6Address(0x2002 << 112 | int(inner) << 80 | 1)))


def test_allowed_urls():
    """Plain https URLs are accepted; with the setting, private hosts and http are, too."""
    for url in (
        "https://hooks.example.org",
        "https://hooks.example.org:8443/a/b?c=d&e",
        "https://1.1.1.1/",
        "https://[2606:4700:4700::1111]:444/x",
        "https://a.example/" + "a" * 1982,
    ):
        check_url(url, private=False)
    for url in ("http://127.0.0.1:8080/x", "http://intra/", "https://[::1]/"):
        check_url(url, private=True)


HOOKS = "https://hooks.example.org"
REFUSED = [
    # Schemes, users, fragments.
    *("http://hooks.example.org/", "ftp://hooks.example.org/", "file:///etc/passwd"),
    *("hooks.example.org", "https://user@hooks.example.org/", f"{HOOKS}/#x"),
    "https://user:pw@hooks.example.org/",
    # Characters.
    *(f"{HOOKS}\\@127.0.0.1/", f"{HOOKS}/a b", f"{HOOKS}/a\r\nHost: x", f"{HOOKS}/\0"),
    *("https://höoks.example.org/", "https://127.0.0.\uff11/", "https://Hooks.example.org/"),
    # Ports, hosts, length.
    *(f"{HOOKS}:0/", f"{HOOKS}:65536/", f"{HOOKS}:/", "https:///x"),
    "https://a.example/" + "a" * 1983,
    # Addresses that are not public, in any spelling.
    *("https://127.0.0.1/", "https://169.254.169.254/latest/meta-data", "https://100.64.0.1/"),
    *("https://10.0.0.1/", "https://0.0.0.0/", "https://127.1/", "https://2130706433/"),
    *("https://0x7f000001/", "https://0x7f.0.0.1/", "https://0177.0.0.1/", "https://127.0.0.1./"),
    *("https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://[::ffff:7f00:1]/"),
    *("https://[64:ff9b::7f00:1]/", "https://[fd00::1]/", "https://[fe80::1%25eth0]/"),
    *("https://[2606:4700:4700:0:0:0:0:1111]/", "https://[:::]/"),
]


def test_refused_urls():
    """Every other form of URL is refused, and the message does not contain the URL."""
    for url in REFUSED:
        with case(url):
            with pytest.raises(FormatError) as refused:
                check_url(url, private=False)
            assert url not in str(refused.value)
    for url in ("http://127.1/", "http://user@intra/", "gopher://intra/"):
        with pytest.raises(FormatError):  # the setting allows private addresses, but no odd forms
            check_url(url, private=True)


SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_the_vector_of_the_reference_libraries():
    """The signature equals the test vector of the specification's own libraries."""
    headers = sign_message(
        [SECRET], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@pytest.mark.needs("openssl")
def test_signature_of_openssl():
    """OpenSSL computes the same HMAC-SHA256 over ID.TIME.BODY."""
    secret = make_secret(lambda count: bytes(range(count)))
    assert secret == "whsec_" + base64.b64encode(bytes(range(32))).decode()
    command = ["openssl", "mac", "-digest", "SHA256", "-binary", "-macopt"]
    for body in (b"", b"{}\n", "ü\0".encode(), bytes(range(256)) * 9):
        done = subprocess.run(
            [*command, f"hexkey:{bytes(range(32)).hex()}", "HMAC"],
            input=b"evt_1.1800000000." + body,
            capture_output=True,
            check=True,
        )
        signature = sign_message([secret], "evt_1", 1_800_000_000, body)["webhook-signature"]
        assert signature == f"v1,{base64.b64encode(done.stdout).decode()}"


def test_invalid_secrets_and_ids():
    """A malformed secret, and an id that would make the signed text ambiguous, are refused."""
    for secret, message_id in ((SECRET[6:], "evt_1"), ("whsec_!", "evt_1"), (SECRET, "evt.1")):
        with pytest.raises(FormatError):
            sign_message([secret], message_id, 1, b"")


def test_two_secrets_give_two_signatures():
    """Two secrets give two signatures, the newest first, separated by a space."""
    one, other = (make_secret(lambda n, i=i: bytes([i]) * n) for i in (1, 2))
    alone = [sign_message([each], "evt_1", 7, b"{}")["webhook-signature"] for each in (one, other)]
    both = sign_message([one, other], "evt_1", 7, b"{}")["webhook-signature"]
    assert both.split(" ") == alone
    assert alone[0] != alone[1]
