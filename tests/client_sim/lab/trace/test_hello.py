"""Real ClientHellos, their fingerprints, and what a network sees of a connection."""

import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_sim.lab.trace.hello import ClientHello, is_tls, ja4, read_hello, read_wire

PLAIN = {"version": 0x0303, "random": bytes(32), "session": b"", "ciphers": (0x1301,)}
ONE = "0f2cb44170f4"  # of sha256("1301")


def hello_of(name="updates.hening.example", version=None, protocols=(), ciphers=None):
    """Return the first bytes that OpenSSL sends."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if version is not None:
        context.maximum_version = version
    if ciphers:
        context.set_ciphers(ciphers)
    if protocols:
        context.set_alpn_protocols(list(protocols))
    out = ssl.MemoryBIO()
    tls = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return out.read()


def test_read_hello_of_openssl():
    """A hello may be split over records; one of TLS 1.2 has no list of versions."""
    hello = read_hello(hello_of(protocols=("h2", "http/1.1")))
    assert hello.server_name == b"updates.hening.example"
    assert hello.protocols == (b"h2", b"http/1.1")
    assert hello.versions == (0x0304, 0x0303)
    assert 0x1301 in hello.ciphers
    assert len(hello.random) == 32
    assert not hello.resumes
    assert not hello.has_early_data
    data = hello_of()
    body, cut = data[5:], 100
    pieces = [body[:cut], body[cut:]]
    records = b"".join(b"\x16\x03\x01" + len(p).to_bytes(2) + p for p in pieces)
    assert read_hello(records) == read_hello(data)
    hello = read_hello(hello_of(version=ssl.TLSVersion.TLSv1_2))
    assert (hello.version, hello.versions) == (0x0303, ())
    assert ja4(hello).startswith("t12d")


def test_resumption_is_recognized():
    """By a pre-shared key, a ticket or a session id, except in TLS 1.3's compatibility mode."""
    for changes, resumes in (
        ({}, False),
        ({"has_psk": True}, True),
        ({"ticket": 180}, True),
        ({"session": b"x" * 32}, True),
        ({"session": b"x" * 32, "versions": (0x0304,)}, False),
    ):
        assert ClientHello(**{**PLAIN, **changes}).resumes is resumes


def test_ja4_of_a_browser():
    """GREASE is left out; ciphers and extensions are sorted, signature algorithms are not.

    The last two letters come from the first protocol, or from its hexadecimal digits.
    """
    ciphers = "1301 1302 1303 c02b c02f c02c c030 cca9 cca8 c013 c014 009c 009d 002f 0035"
    extensions = "002d 0033 0010 fe0d 0017 44cd 0000 000b 000a 002b ff01 0023 0012 0005 000d 001b"
    signatures = "0403 0804 0401 0503 0805 0501 0806 0601"
    hello = ClientHello(
        version=0x0303,
        random=bytes(32),
        session=bytes(32),
        ciphers=(0x3A3A, *(int(word, 16) for word in ciphers.split())),
        extensions=(0xFAFA, *(int(word, 16) for word in extensions.split()), 0x2A2A),
        server_name=b"browser.example",
        protocols=(b"h2", b"http/1.1"),
        versions=(0x1A1A, 0x0304, 0x0303),
        signatures=tuple(int(word, 16) for word in signatures.split()),
    )
    assert ja4(hello) == "t13d1516h2_8daaf6152771_d8a2da3f94cd"
    for protocols, letters in (
        ((), "00"),
        ((b"http/1.1",), "h1"),
        ((b"\xab\xcd",), "ad"),
        ((b"",), "00"),
        ((b"x",), "xx"),
    ):
        assert (
            ja4(ClientHello(**PLAIN, protocols=protocols)) == f"t12i0100{letters}_{ONE}_{'0' * 12}"
        )


@given(st.binary(max_size=120))
def test_arbitrary_bytes_are_a_hello_or_none(data):
    """Neither reading nor the fingerprint raises an exception."""
    read_hello(data)
    read_hello(b"\x16\x03\x01" + len(data).to_bytes(2) + data)
    body = b"\x03\x03" + bytes(32) + b"\0\0\2\x13\x01\1\0" + data
    message = b"\x01" + len(body).to_bytes(3) + body
    hello = read_hello(b"\x16\x03\x01" + len(message).to_bytes(2) + message)
    assert hello is None or ja4(hello).startswith("t12")


def read_parameters(data):
    """Return the parameters by name."""
    return dict(line.split(" ", 1) for line in read_wire(data).parameters.decode().split("\n"))


def test_parameters_of_a_hello():
    """The fingerprint depends on the configuration, not on random bytes."""
    seen = read_parameters(hello_of(protocols=("http/1.1",)))
    assert seen["name"] == "updates.hening.example"
    assert seen["protocols"] == "http/1.1"
    assert seen["versions"] == "0304 0303"
    assert (seen["resumes"], seen["early-data"]) == ("no", "no")
    assert seen["ja4"].startswith("t13d")
    usual, again = read_parameters(hello_of()), read_parameters(hello_of())
    assert usual == again
    other = read_parameters(hello_of(ciphers="ECDHE-ECDSA-CHACHA20-POLY1305"))
    assert usual["ja4"] != other["ja4"]
    assert usual["ciphers"] != other["ciphers"]


def test_sizes_of_records():
    """Content types are those of RFC 8446 section 5.1; an incomplete record is the rest.

    Plain text has no parameters and one size.
    """
    record = b"\x16\x03\x01\x00\x02ab"
    data = record + b"\x14\x03\x03\x00\x01\x01" + b"\x17\x03\x03\x00\x05hello" + b"\x17\x03"
    assert read_wire(data).sizes == b"22:2 20:1 23:5 rest:2"
    wire = read_wire(b"GET / HTTP/1.1\r\n\r\n")
    assert (wire.parameters, wire.sizes) == (b"plain text", b"18")
    assert read_wire(hello_of()[:40]).parameters == b"hello damaged"
    assert is_tls(b"\x16\x03\x01")
    assert not is_tls(b"\x16\x03")
    assert not is_tls(b"GET / HTTP/1.1")
