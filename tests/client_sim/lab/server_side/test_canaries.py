"""Canaries in every position of a request, and the search for them."""

import base64
import gzip
import hashlib
import random
import re
from ipaddress import IPv6Address

from client_sim.lab.server_side.canaries import Sieve, Sieves

POSITIONS = (
    *("method", "version", "path", "query", "fragment", "host", "cookie", "range", "if-range"),
    *("if-none-match", "user-agent", "x-forwarded-for", "chunk extension", "trailer", "h2c"),
    *("absolute form", "path of HTTP/1.0", "pipelined requests", "request line", "endless path"),
    *("path with NUL", "name of a header", "body of POST", "chunk of GET", "HTTP/2 without asking"),
    *("unfinished body", "PROXY line", "line that begins with a space", "account in the host"),
)
TOKEN = b"k3jx5q7mzn2wv4tbf6ydcepsra"
LINE = b"GET /" + TOKEN + b" HTTP/1.1"
NOISE = random.Random(4711).randbytes(3100)
SIEVES = Sieves(Sieve({"path": (TOKEN,)}, {"path": (TOKEN[:13], TOKEN[13:])}, {"path": (LINE,)}, 1))
ENCODED = {
    "plain": TOKEN,
    "base64": base64.b64encode(TOKEN),
    "base64 in a longer text": base64.b64encode(b"x" + LINE),
    "base16": TOKEN.hex().encode(),
    "reversed": TOKEN[::-1],
    "xor": bytes(byte ^ 0x5A for byte in TOKEN),
    "gzip": gzip.compress(LINE),
    "sha256": hashlib.sha256(TOKEN).digest(),
    "sha256 of the line": hashlib.sha256(LINE).digest(),
    "sha1 of the line in hex": hashlib.sha1(LINE).hexdigest().encode(),
    "md5 of the line, cut short": hashlib.md5(LINE).hexdigest()[:16].encode(),
    "sha512 of the line in base64": base64.b64encode(hashlib.sha512(LINE).digest()),
    "the first half": TOKEN[:13],
    "the second half in hex": TOKEN[13:].hex().encode(),
}


def test_every_position_has_its_own_canaries(canaries):
    """Each request has random values that no other request has."""
    values = [value for each in canaries.planted for value in each.values]
    assert len(values) == len(set(values)) >= len(canaries.planted)
    for each in canaries.planted:
        assert each.values
        assert not re.search(rb"<[TBNnA]>", each.data)
    tokens = [value for value in values if re.fullmatch(rb"[a-z2-7]{26}", value)]
    assert len(tokens) > 200
    positions = [each.template.position for each in canaries.planted]
    assert [name for name in POSITIONS if not any(name in each for each in positions)] == []


def test_bodies_are_as_long_as_announced(canaries):
    """So servers read all of them."""
    framed = ("body of GET", "body of POST", "body of PUT", "form in a body", "JSON in a body")
    assert {*framed} <= {each.template.position for each in canaries.planted}
    for each in canaries.planted:
        if each.template.position in framed:
            head, _, body = each.data.partition(b"\r\n\r\n")
            length = int(re.search(rb"Content-Length: (\d+)", head)[1])
            assert length == len(body) > 0


def test_requests_contain_their_canaries(canaries):
    """As they are; addresses as text, and accounts of Basic authentication in base64."""
    for each in canaries.planted:
        accounts = re.findall(rb"Basic ([A-Za-z0-9+/=]+)", each.data)
        text = each.data + b"".join(map(base64.b64decode, accounts))
        for value in each.values:
            is_address = value.startswith(b"\xfd\x11")
            shown = str(IPv6Address(value)).encode() if is_address else value
            assert shown in text, each.template.position


def test_frames_of_http_2_are_complete(canaries):
    """SETTINGS, then HEADERS of the announced length (RFC 9113 section 4.1)."""
    (each,) = (e for e in canaries.planted if e.template.position == "HTTP/2 without asking")
    frames = each.data.removeprefix(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    assert frames[:9] == b"\0\0\0\x04\0\0\0\0\0"
    length = int.from_bytes(frames[9:12], "big")
    assert frames[12:18] == b"\x01\x05\0\0\0\x01"
    assert frames[18 + length :] == b"\r\n\r\n"


def test_pieces_of_a_request_are_searched_as_digests(canaries):
    """Its line, path and query as they were sent, and the halves of its value."""
    (each,) = (e for e in canaries.planted if e.template.position == "value in a query")
    token = each.values[0]
    line = next(line for line in each.data.split(b"\r\n") if token in line)
    target = line.split(b" ")[1]
    assert {line, target, b"imei=" + token + b"&b=1"} <= set(each.wholes)
    assert each.halves == (token[:13], token[-13:])


def test_values_are_found_at_any_offset():
    """In each encoding, at the borders of pieces as well."""
    for before in (0, 1, 7, 1010, 1500, 3071):
        for name, encoded in ENCODED.items():
            data = NOISE[:before] + b" " + encoded + b" " + NOISE[before:]
            found = list(SIEVES.find(data))
            assert {sighting.field for sighting in found} == {"path"}, name
            plain = [sighting.offset for sighting in found if not sighting.chain]
            assert name != "plain" or before + 1 in plain


def test_nothing_is_found_without_a_value():
    """In 200 kB of noise, and in request lines that begin like the planted one."""
    assert list(SIEVES.find(random.Random(815).randbytes(200_000))) == []
    assert list(SIEVES.find((b"GET /" + b"a" * 26 + b" HTTP/1.1\r\n") * 500)) == []
    assert list(SIEVES.find(b"")) == []
