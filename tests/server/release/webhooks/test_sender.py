"""One attempt: allowed and forbidden addresses, and hostile receivers."""

import asyncio
import base64
import datetime as dt
import socket
import ssl
import subprocess
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from server.core.errors import FormatError
from server.release.webhooks import sender
from server.release.webhooks.sender import (
    Attempt,
    Sender,
    check_url,
    is_public,
    make_secret,
    sign_message,
)
from tests.cases import case
from tests.server.release.webhooks.receiver import receiving

PRIVATE = Attempt("the address is private, and events go to public ones only")
HEADERS = {"webhook-id": "evt_1", "webhook-timestamp": "1", "webhook-signature": "v1,AA=="}


class Names(AbstractResolver):
    """Resolves every name to given lists of addresses in turn, the last one for ever."""

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
    """A POST of the unchanged bytes, with the three headers and none that describes us."""
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
    """Every 2xx status means that the message was accepted."""
    receiver.status = status
    assert await Sender(private=True).send(receiver.url, HEADERS, b"{}") == Attempt()


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 401, 404, 410, 429, 500, 502, 503])
async def test_everything_else_is_a_failure(receiver, status):
    """Redirects are not followed; 410 means to send no more."""
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
    """The checked address is the one connected to: there is no second look-up."""
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
    """If the check of names did not happen, that of the socket still does."""
    monkeypatch.setattr(sender, "CheckedResolver", lambda inner: inner)
    url = receiver.url.replace("127.0.0.1", "hooks.example.org")
    attempt = await Sender(private=False, resolver=Names(["127.0.0.1"])).send(url, HEADERS, b"{}")
    assert (attempt, receiver.raw) == (PRIVATE, [])


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"])
async def test_a_literal_is_checked_at_the_socket(receiver, host):
    """An address in the URL needs no resolver, and is refused all the same."""
    url = receiver.url.replace("127.0.0.1", host)
    assert await Sender(private=False).send(url, HEADERS, b"{}") == PRIVATE
    assert receiver.raw == []


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f000001", "0177.0.0.1"])
async def test_an_abbreviated_literal(receiver, host):
    """An address that the system would read as loopback is refused, even if it was stored."""
    url = receiver.url.replace("127.0.0.1", host)
    assert (await Sender(private=False).send(url, HEADERS, b"{}")).error != ""
    assert receiver.raw == []


async def test_localhost(receiver):
    """The system's own resolver is checked, too."""
    url = receiver.url.replace("127.0.0.1", "localhost")
    assert await Sender(private=False).send(url, HEADERS, b"{}") == PRIVATE
    assert receiver.raw == []


async def test_a_refused_connection(unused_tcp_port):
    """A refused connection is a failure without the address in its message."""
    url = f"http://127.0.0.1:{unused_tcp_port}/secret-path"
    assert await Sender(private=True).send(url, HEADERS, b"{}") == Attempt("no connection")


class Raw(asyncio.Protocol):
    """Writes fixed bytes to any request, and keeps the connection open."""

    def __init__(self, data):
        self.data = data

    def connection_made(self, transport):
        """Store the transport."""
        self.transport = transport

    def data_received(self, _data):
        """Answer the first bytes of a request, and no others."""
        self.transport.write(self.data)
        self.data = b""


async def serve_raw(data):
    """Start a server of bytes; returns it and its URL."""
    server = await asyncio.get_running_loop().create_server(lambda: Raw(data), "127.0.0.1", 0)
    return server, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", "no answer within 0.3 seconds"),
        (b"HTTP/1.1 200 OK\r\n", "no answer within 0.3 seconds"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 50, "no answer within 0.3 seconds"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "no HTTP answer"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", "no HTTP answer"),
    ],
    ids=["silence", "half a head", "1xx for ever", "another protocol", "a huge head"],
)
async def test_a_hostile_receiver(data, error):
    """Anything but a valid answer is a failure in the end."""
    timeout = 0.3 if "0.3" in error else 15.0
    server, url = await serve_raw(data)
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
    """A proxy in the environment would resolve names itself, so it is ignored."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9/")
    assert await Sender(private=True).send(receiver.url, HEADERS, b"{}") == Attempt()


def certificate(folder):
    """Make a self-signed certificate for 127.0.0.1."""
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
    """An untrusted certificate ends the attempt; a trusted one does not."""
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


#: First and last address of each block of IANA's IPv4 special-purpose registry, of multicast (RFC
#: 5771) and of the reserved space.
SPECIAL_V4 = [
    ("0.0.0.0", "0.255.255.255"),
    ("10.0.0.0", "10.255.255.255"),
    ("100.64.0.0", "100.127.255.255"),
    ("127.0.0.0", "127.255.255.255"),
    ("169.254.0.0", "169.254.255.255"),
    ("172.16.0.0", "172.31.255.255"),
    ("192.0.0.0", "192.0.0.255"),
    ("192.0.2.0", "192.0.2.255"),
    ("192.31.196.0", "192.31.196.255"),
    ("192.52.193.0", "192.52.193.255"),
    ("192.88.99.0", "192.88.99.255"),
    ("192.168.0.0", "192.168.255.255"),
    ("192.175.48.0", "192.175.48.255"),
    ("198.18.0.0", "198.19.255.255"),
    ("198.51.100.0", "198.51.100.255"),
    ("203.0.113.0", "203.0.113.255"),
    ("224.0.0.0", "255.255.255.255"),
]
SPECIAL_V6 = {
    "unspecified": "::",
    "loopback": "::1",
    "mapped loopback": "::ffff:127.0.0.1",
    "mapped private": "::ffff:10.0.0.1",
    "mapped metadata": "::ffff:169.254.169.254",
    "mapped public": "::ffff:8.8.8.8",
    "compatible": "::127.0.0.1",
    "translated": "::ffff:0:127.0.0.1",
    "NAT64": "64:ff9b::7f00:1",
    "NAT64 of a public one": "64:ff9b::808:808",
    "local NAT64": "64:ff9b:1::a00:1",
    "discard": "100::1",
    "Teredo": "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "benchmarks": "2001:2::1",
    "ORCHID": "2001:10::1",
    "ORCHID 2": "2001:20::1",
    "documentation": "2001:db8::1",
    "6to4 of loopback": "2002:7f00:1::1",
    "6to4 of a private one": "2002:a00:1::1",
    "AS112": "2620:4f:8000::1",
    "new documentation": "3fff::1",
    "segment routing": "5f00::1",
    "ULA": "fc00::1",
    "ULA of a cloud's metadata": "fd00:ec2::254",
    "link-local": "fe80::1",
    "link-local with a zone": "fe80::1%eth0",
    "public with a zone": "2a00:1450:4001::1%eth0",
    "site-local": "fec0::1",
    "multicast": "ff02::1",
    "all ones": "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "unassigned": "4000::1",
}


@pytest.mark.parametrize(("first", "last"), SPECIAL_V4)
def test_a_special_block_is_private_to_its_edges(first, last):
    """First, last and middle are private; neighbours are, if they are in another block."""
    low, high = int(IPv4Address(first)), int(IPv4Address(last))
    for number in (low, (low + high) // 2, high):
        assert not is_public(str(IPv4Address(number)))
    edges = [(int(IPv4Address(a)), int(IPv4Address(b))) for a, b in SPECIAL_V4]
    for number in {low - 1, high + 1} - {-1, 2**32}:
        expected = not any(a <= number <= b for a, b in edges)
        assert is_public(str(IPv4Address(number))) is expected


def test_ipv4_addresses_all_over_the_space():
    """Of each of the 16,384 blocks of 2**18 addresses the first and the last are as listed."""
    edges = [(int(IPv4Address(a)), int(IPv4Address(b))) for a, b in SPECIAL_V4]
    for start in range(0, 2**32, 2**18):
        for number in (start, start + 0x3FFFF):
            expected = not any(a <= number <= b for a, b in edges)
            assert is_public(str(IPv4Address(number))) is expected


@given(st.ip_addresses(v=4))
def test_pythons_own_opinion(address):
    """What Python calls global is public, unless it is multicast, AS112, AMT or a 6to4 relay."""
    ours = [IPv4Network(n) for n in ("192.31.196.0/24", "192.52.193.0/24", "192.175.48.0/24")]
    ours += [IPv4Network("192.88.99.0/24"), IPv4Network("192.0.0.0/24")]
    if not any(address in network for network in ours):
        assert is_public(str(address)) is (address.is_global and not address.is_multicast)


def test_special_ipv6_addresses_are_private():
    """No address outside the global unicast space is public, nor one that contains IPv4."""
    for address in SPECIAL_V6.values():
        with case(address):
            assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1",
        "8.8.8.8",
        "93.184.216.34",
        "2606:4700:4700::1111",
        "2a00:1450:4001::1",
        "2001:200::",
    ],
)
def test_public_addresses(address):
    """Well-known services of the Internet are public."""
    assert is_public(address)


@given(st.ip_addresses(v=6))
def test_no_ipv6_address_is_public_that_python_calls_private(address):
    """Python's opinion is nowhere stricter."""
    if not address.is_global or address not in IPv6Network("2000::/3"):
        assert not is_public(str(address))


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_in_ipv6_is_never_public(address):
    """Mapped, translated, NAT64 and 6to4 forms of any address are private."""
    number = int(address)
    for high in (0xFFFF << 32, 0xFFFF << 48, 0x64FF9B << 96):
        assert not is_public(str(IPv6Address(high | number)))
    assert not is_public(str(IPv6Address(0x2002 << 112 | number << 80 | 1)))


@pytest.mark.parametrize("text", ["", "localhost", "127.1", "0x7f.1", "2130706433", "1.1.1.1 "])
def test_what_is_no_address_is_not_public(text):
    """Names and abbreviated numbers are no addresses."""
    assert not is_public(text)


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.org",
        "https://hooks.example.org:8443/a/b?c=d&e",
        "https://1.1.1.1/",
        "https://[2606:4700:4700::1111]:444/x",
        "https://a.example/" + "a" * 1982,
    ],
    ids=["bare", "port, path and query", "IPv4", "IPv6", "2,000 characters"],
)
def test_addresses_that_a_webhook_may_have(url):
    """A URL in its plain form is accepted."""
    check_url(url, private=False)


REFUSED = {
    "http": "http://hooks.example.org/",
    "another scheme": "ftp://hooks.example.org/",
    "a file": "file:///etc/passwd",
    "no scheme": "hooks.example.org",
    "user": "https://user@hooks.example.org/",
    "user and password": "https://user:pw@hooks.example.org/",
    "fragment": "https://hooks.example.org/#x",
    "backslash": "https://hooks.example.org\\@127.0.0.1/",
    "space": "https://hooks.example.org/a b",
    "line break": "https://hooks.example.org/a\r\nHost: x",
    "NUL": "https://hooks.example.org/\0",
    "not ASCII": "https://höoks.example.org/",
    "full-width digits": "https://127.0.0.\uff11/",
    "upper-case host": "https://Hooks.example.org/",
    "port 0": "https://hooks.example.org:0/",
    "port 65536": "https://hooks.example.org:65536/",
    "empty port": "https://hooks.example.org:/",
    "empty host": "https:///x",
    "loopback": "https://127.0.0.1/",
    "metadata": "https://169.254.169.254/latest/meta-data",
    "carrier-grade NAT": "https://100.64.0.1/",
    "private": "https://10.0.0.1/",
    "any": "https://0.0.0.0/",
    "short loopback": "https://127.1/",
    "decimal loopback": "https://2130706433/",
    "hexadecimal loopback": "https://0x7f000001/",
    "hexadecimal parts": "https://0x7f.0.0.1/",
    "octal loopback": "https://0177.0.0.1/",
    "loopback with a final dot": "https://127.0.0.1./",
    "IPv6 loopback": "https://[::1]/",
    "IPv6 mapped": "https://[::ffff:127.0.0.1]/",
    "IPv6 mapped in hex": "https://[::ffff:7f00:1]/",
    "IPv6 NAT64": "https://[64:ff9b::7f00:1]/",
    "IPv6 ULA": "https://[fd00::1]/",
    "IPv6 in long form": "https://[2606:4700:4700:0:0:0:0:1111]/",
    "IPv6 zone": "https://[fe80::1%25eth0]/",
    "IPv6 nonsense": "https://[:::]/",
    "2,001 characters": "https://a.example/" + "a" * 1983,
}


def test_addresses_that_no_webhook_may_have():
    """Every other form is refused when the webhook is made, and the message has no URL."""
    for url in REFUSED.values():
        with case(url):
            with pytest.raises(FormatError) as refused:
                check_url(url, private=False)
            assert url not in str(refused.value)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080/x", "http://intra/", "https://[::1]/"])
def test_private_addresses_where_they_are_allowed(url):
    """With the setting, loopback, names without dots and plain HTTP are accepted."""
    check_url(url, private=True)


@pytest.mark.parametrize("url", ["http://127.1/", "http://user@intra/", "gopher://intra/"])
def test_odd_forms_stay_refused(url):
    """The setting allows private addresses and no odd forms."""
    with pytest.raises(FormatError):
        check_url(url, private=True)


SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_the_vector_of_the_reference_libraries():
    """The specification's own libraries test with this secret, id, time and body."""
    headers = sign_message(
        [SECRET], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@pytest.mark.needs("openssl")
@pytest.mark.parametrize("body", [b"", b"{}\n", "ü\0".encode(), bytes(range(256)) * 9])
def test_openssl_computes_the_same(body):
    """HMAC-SHA256 over ID.TIME.BODY with the decoded secret, computed by another program."""
    secret = make_secret(lambda count: bytes(range(count)))
    done = subprocess.run(
        [
            *("openssl", "mac", "-digest", "SHA256", "-binary"),
            *("-macopt", f"hexkey:{bytes(range(32)).hex()}", "HMAC"),
        ],
        input=b"evt_1.1800000000." + body,
        capture_output=True,
        check=True,
    )
    signature = sign_message([secret], "evt_1", 1_800_000_000, body)["webhook-signature"]
    assert signature == f"v1,{base64.b64encode(done.stdout).decode()}"


def test_two_secrets_sign_beside_each_other():
    """Each as it would alone, the newest first, separated by a space: the specification's list."""
    one, other = (make_secret(lambda n, i=i: bytes([i]) * n) for i in (1, 2))
    alone = [sign_message([each], "evt_1", 7, b"{}")["webhook-signature"] for each in (one, other)]
    both = sign_message([one, other], "evt_1", 7, b"{}")["webhook-signature"]
    assert both.split(" ") == alone
    assert alone[0] != alone[1]


def test_a_secret_is_random_and_of_the_specified_form():
    """Thirty-two random bytes, as base64 after `whsec_`: 24 to 64 are allowed."""
    secret = make_secret(lambda count: b"\xff" * count)
    assert secret == "whsec_" + base64.b64encode(b"\xff" * 32).decode()


@pytest.mark.parametrize(
    ("secret", "message_id"),
    [("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "evt_1"), ("whsec_!", "evt_1"), (SECRET, "evt.1")],
    ids=["no prefix", "no base64", "a full stop"],
)
def test_what_cannot_be_signed(secret, message_id):
    """Another form of secret, or an id that would make the signed text ambiguous, is refused."""
    with pytest.raises(FormatError):
        sign_message([secret], message_id, 1, b"")
