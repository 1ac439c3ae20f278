"""A planted value is found however it is dressed, and clean octets hold none."""

import base64
import gzip
import hashlib
import json
import zlib
from urllib.parse import quote

import pytest

from client_sim.lab.oracles.canary import CanarySearch
from client_sim.persona import canaries, make_persona

PERSONA = make_persona(b"canary test")
VALUES = canaries(PERSONA)
FRAME = b"GET /a?%s HTTP/1.1\r\nHost: updates.example.org\r\n\r\n"

# Each written with the standard library's own functions or by hand, not with the lab's.
DRESSES = {
    "plain": lambda v: v,
    "base16": base64.b16encode,
    "base16 lower": lambda v: base64.b16encode(v).lower(),
    "base32": base64.b32encode,
    "base64": base64.b64encode,
    "base64 one octet later": lambda v: base64.b64encode(b"{" + v + b"}"),
    "base64 two octets later": lambda v: base64.b64encode(b'{"' + v + b'"}'),
    "base64 url-safe": base64.urlsafe_b64encode,
    "base85": base64.b85encode,
    "ascii85": base64.a85encode,
    "url": lambda v: quote(v, safe="").encode(),
    "url every octet": lambda v: b"".join(b"%%%02X" % o for o in v),
    "html": lambda v: b"".join(b"&#%d;" % o for o in v),
    "reversed": lambda v: bytes(reversed(v)),
    "upper": lambda v: v.upper(),
    "utf-16-le": lambda v: v.decode().encode("utf-16-le"),
    "utf-16-be": lambda v: v.decode().encode("utf-16-be"),
    "decimal": lambda v: b".".join(b"%d" % o for o in v),
    "spaced": lambda v: b" ".join(bytes([o]) for o in v),
    "complement": lambda v: bytes(255 - o for o in v),
    "rot13": lambda v: bytes(
        (o - 97 + 13) % 26 + 97
        if 97 <= o <= 122
        else (o - 65 + 13) % 26 + 65
        if 65 <= o <= 90
        else o
        for o in v
    ),
    **{f"xor {key}": lambda v, key=key: bytes(o ^ key for o in v) for key in (1, 0x5A, 0xFF)},
    **{
        f"{name} {form}": lambda v, name=name, dress=dress: dress(hashlib.new(name, v).digest())
        for name in (
            *("md5", "sha1", "sha224", "sha256", "sha384", "sha512"),
            *("sha3_224", "sha3_256", "sha3_384", "sha3_512", "blake2b", "blake2s"),
        )
        for form, dress in {
            "raw": bytes,
            "hex": lambda d: d.hex().encode(),
            "HEX": lambda d: d.hex().upper().encode(),
            "base64": base64.b64encode,
            "raw 8": lambda d: d[:8],
            "hex of 8": lambda d: d[:8].hex().encode(),
            "hex of 12": lambda d: d[:12].hex().encode(),
            "base64 of 16": lambda d: base64.b64encode(d[:16]),
            "base64 of 8": lambda d: base64.b64encode(d[:8]),
        }.items()
    },
    "gzip": lambda v: gzip.compress(b'{"v":"' + v + b'"}', mtime=0),
    "zlib": zlib.compress,
    "base64 of gzip": lambda v: base64.b64encode(gzip.compress(v * 2, mtime=0)),
    "hex of base64": lambda v: base64.b64encode(v).hex().encode(),
    "base64 of json": lambda v: base64.b64encode(json.dumps({"a": v.decode()}).encode()),
    "md5 of upper": lambda v: hashlib.md5(v.upper()).hexdigest().encode(),
    "sha256 of md5": lambda v: hashlib.sha256(hashlib.md5(v).digest()).digest(),
    "sha1 of hex": lambda v: hashlib.sha1(v.hex().encode()).digest(),
    "base64 of hex of reversed": lambda v: base64.b64encode(v[::-1].hex().encode()),
}


@pytest.fixture(scope="module")
def search():
    """Compute the tokens once."""
    return CanarySearch(VALUES)


@pytest.mark.parametrize("dress", DRESSES)
def test_each_field_is_found_in_each_dress(dress, search):
    """For every field of the persona the search names field and value."""
    for field, values in VALUES.items():
        # json.dumps escapes what is not ASCII: another dress than this one is meant to be.
        value = next(v for v in values if v.isascii() or field == "contacts.name")
        if dress == "base64 of json" and not value.isascii():
            continue
        found = search.search(FRAME % DRESSES[dress](value))
        assert (field, value) in {(s.field, s.value) for s in found}, field


@pytest.mark.parametrize("length", range(8, 33))
def test_a_digest_is_found_however_it_is_cut(length, search):
    """Eight octets of a digest are enough, in raw and in hexadecimal form."""
    digest = hashlib.sha256(PERSONA.imei.encode()).digest()[:length]
    (raw,) = search.search(FRAME % digest)
    (text,) = search.search(FRAME % digest.hex().encode())
    assert (raw.field, raw.octets) == ("imei", digest)
    assert (text.field, text.octets, text.chain[:2]) == (
        "imei",
        digest.hex().encode(),
        ("sha256", "base16"),
    )


SPELLINGS = {
    "imei": [PERSONA.imei[:14], PERSONA.imei[:14] + "00"],
    "phone_number": [
        PERSONA.phone_number[1:],
        "00" + PERSONA.phone_number[1:],
        "0" + PERSONA.phone_number[4:],
    ],
    "wifi_mac": [
        PERSONA.wifi_mac.upper(),
        PERSONA.wifi_mac.replace(":", ""),
        PERSONA.wifi_mac.replace(":", "").upper(),
        PERSONA.wifi_mac.replace(":", "-"),
    ],
    "advertising_id": [PERSONA.advertising_id.replace("-", ""), PERSONA.advertising_id.upper()],
}


@pytest.mark.parametrize("field", SPELLINGS)
def test_other_spellings_are_found(field, search):
    """Numbers without prefix or check digit and addresses without separators are the same."""
    for spelling in SPELLINGS[field]:
        for octets in (spelling.encode(), hashlib.md5(spelling.encode()).hexdigest().encode()):
            assert field in {s.field for s in search.search(FRAME % octets)}, spelling


def test_numbers_in_swapped_nibbles_are_found(search):
    """A SIM writes 89999... as 98 99 9...: the first digit stands in the low nibble."""
    digits = PERSONA.iccid
    octets = bytes(
        int(digits[place + 1]) << 4 | int(digits[place]) for place in range(0, len(digits), 2)
    )
    (sighting,) = search.search(b"\x00\x01" + octets)
    assert (sighting.field, sighting.offset, sighting.chain) == ("iccid", 2, ("bcd swapped",))


def test_a_sighting_names_offset_octets_and_chain(search):
    """The place is that of the recorded octets."""
    octets = b"X-D: " + base64.b64encode(PERSONA.serial.encode())
    (sighting, *_) = search.search(octets)
    assert sighting.field == "serial"
    assert sighting.offset == 5
    assert octets[5:].startswith(sighting.octets)


def test_clean_octets_hold_no_canary(search):
    """Half a megabyte of digests, base64 and requests of others raises no alarm."""
    noise = hashlib.shake_256(b"noise").digest(60_000)
    others = b"".join(v for values in canaries(make_persona(b"other")).values() for v in values)
    for octets in (
        noise,
        noise.hex().encode(),
        base64.b64encode(noise),
        others,
        (FRAME % b"x") * 500,
        bytes(50_000),
        b"0" * 50_000,
    ):
        assert search.search(octets) == ()


def test_a_compression_bomb_takes_little(search):
    """A hundred megabytes of zeros in a hundred kilobytes are cut off."""
    assert search.search(gzip.compress(bytes(20_000_000), 9)) == ()
