"""What a network sees of a connection."""

import ssl

import pytest

from client_sim.lab.trace.wires import read_wire


def hello(**configured):
    """Let the standard library write a ClientHello; gives its bytes."""
    context = ssl.create_default_context()
    for name, value in configured.items():
        getattr(context, name)(value)
    outgoing = ssl.MemoryBIO()
    wire = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="updates.example.org")
    with pytest.raises(ssl.SSLWantReadError):
        wire.do_handshake()
    return outgoing.read()


def told(data):
    """Give the parameters by name."""
    return dict(line.split(" ", 1) for line in read_wire(data).parameters.decode().split("\n"))


def test_a_hello_shows_name_protocols_versions_and_a_fingerprint():
    """TLS 1.3 beside 1.2; a first connection comes back to nothing."""
    seen = told(hello(set_alpn_protocols=["http/1.1"]))
    assert seen["name"] == "updates.example.org"
    assert seen["protocols"] == "http/1.1"
    assert seen["versions"] == "0304 0303"
    assert (seen["resumes"], seen["early-data"]) == ("no", "no")
    assert seen["ja4"].startswith("t13d")


def test_two_configurations_have_two_fingerprints_and_one_has_one():
    """The random bytes of a hello are no part of what is told."""
    usual, again = told(hello()), told(hello())
    assert usual == again
    other = told(hello(set_ciphers="ECDHE-ECDSA-CHACHA20-POLY1305"))
    assert usual["ja4"] != other["ja4"]
    assert usual["ciphers"] != other["ciphers"]


def test_sizes_are_types_and_lengths_of_records():
    """Content types of RFC 8446 section 5.1: 22 handshake, 20 change, 23 data; the rest is said."""
    record = b"\x16\x03\x01\x00\x02ab"
    data = record + b"\x14\x03\x03\x00\x01\x01" + b"\x17\x03\x03\x00\x05hello" + b"\x17\x03"
    assert read_wire(data).sizes == b"22:2 20:1 23:5 rest:2"


def test_plain_text_is_said_to_be_plain():
    """It has no parameters, and one size."""
    wire = read_wire(b"GET / HTTP/1.1\r\n\r\n")
    assert (wire.parameters, wire.sizes) == (b"plain text", b"18")


def test_a_damaged_hello_is_said_to_be_damaged():
    """Cut in the middle."""
    assert read_wire(hello()[:40]).parameters == b"hello damaged"
