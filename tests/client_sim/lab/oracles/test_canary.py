"""A planted value is found in any encoding, and clean bytes have none."""

import base64
import codecs
import gzip
import hashlib
import hmac
import json
import zlib
from urllib.parse import quote

import pytest

from client_sim.lab.oracles.canary import CanarySearch, Sighting
from client_sim.lab.oracles.views import Windows
from client_sim.persona import canaries, make_persona
from tests.cases import case

PERSONA = make_persona(b"canary test")
VALUES = canaries(PERSONA)
FEW = {
    field: VALUES[field][:1]
    for field in (
        *("imei", "iccid", "phone_number", "wifi_mac", "serial", "android_id"),
        *("advertising_id", "accounts.name", "contacts.name", "messages.text"),
    )
}
KINDS = ("imei", "contacts.name", "wifi_mac", "accounts.name")
"""A field of each shape: digits, words, a MAC address, a mail address."""
FRAME = b"GET /a?%s HTTP/1.1\r\nHost: updates.example.org\r\n\r\n"

DIGESTS = {
    f"{name} {label}": lambda v, name=name, form=form: form(hashlib.new(name, v).digest())
    for name in (
        *("md5", "sha1", "sha224", "sha256", "sha384", "sha512"),
        *("sha3_224", "sha3_256", "sha3_384", "sha3_512", "blake2b", "blake2s"),
    )
    for label, form in {
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
}
# Each written with the standard library's own functions or by hand, not with the lab's.
ENCODINGS = {
    "plain": lambda v: v,
    "base16": base64.b16encode,
    "base16 lower": lambda v: base64.b16encode(v).lower(),
    "base32": base64.b32encode,
    "base64": base64.b64encode,
    "base64 one byte later": lambda v: base64.b64encode(b"{" + v + b"}"),
    "base64 two bytes later": lambda v: base64.b64encode(b'{"' + v + b'"}'),
    "base64 url-safe": base64.urlsafe_b64encode,
    "base85": base64.b85encode,
    "ascii85": base64.a85encode,
    "url": lambda v: quote(v, safe="").encode(),
    "url every byte": lambda v: b"".join(b"%%%02X" % o for o in v),
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
    **DIGESTS,
    "base32hex": base64.b32hexencode,
    "html in base 16": lambda v: b"".join(b"&#x%02x;" % o for o in v),
    "rot47": lambda v: bytes((o + 14) % 94 + 33 if 33 <= o <= 126 else o for o in v),
    "md5 of salt and value": lambda v: hashlib.md5(b"miui" + v).hexdigest().encode(),
    "sha1 of value and salt": lambda v: hashlib.sha1(v + b"salt").digest(),
    "HMAC of value": lambda v: hmac.digest(b"xiaomi", v, "sha256")[:16],
    "HMAC with the IMEI as key": lambda v: hmac.digest(
        PERSONA.serial.encode() if v == PERSONA.imei.encode() else PERSONA.imei.encode(),
        *(v, "sha1"),
    ),
    "md5 of upper base16 reversed": lambda v: hashlib.md5(v.hex().upper().encode()[::-1]).digest(),
    "sha256 of base64 of base16": lambda v: hashlib.sha256(
        base64.b64encode(v.hex().encode())
    ).digest(),
    "reversed base32 of base16": lambda v: base64.b32encode(v.hex().encode())[::-1],
    "base16 of base64 of sha1": lambda v: base64.b64encode(hashlib.sha1(v).digest()).hex().encode(),
    "rot13 of base64 of base16": lambda v: codecs.encode(
        base64.b64encode(v.hex().encode()).decode(), "rot13"
    ).encode(),
    "utf-16 of base64 of url": lambda v: (
        base64.b64encode(quote(v, safe="").encode()).decode().encode("utf-16-le")
    ),
    "html of base64 of reversed": lambda v: b"".join(
        b"&#%d;" % o for o in base64.b64encode(v[::-1])
    ),
    "decimal of base32 of sha256": lambda v: b".".join(
        b"%d" % o for o in base64.b32encode(hashlib.sha256(v).digest())
    ),
    "swapped pairs of base16 of md5": lambda v: bytes(
        byte
        for pair in zip(
            *(hashlib.md5(v).hexdigest().encode()[start::2] for start in (1, 0)), strict=True
        )
        for byte in pair
    ),
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
    """Compute the tokens once in a module."""
    return CanarySearch(FEW)


def test_each_encoding_is_found(search):
    """The search names the field and its value."""
    for name, encode in ENCODINGS.items():
        # These are slow, and independent of the value's shape.
        few = name in DIGESTS or name.count(" of ") > 1
        for field in KINDS[: 2 if few else 4]:
            (value,) = FEW[field]
            # json.dumps escapes characters that are not ASCII, which would be another encoding.
            if name != "base64 of json" or value.isascii():
                with case(name, field):
                    found = search.search(FRAME % encode(value))
                    assert (field, value) in {(s.field, s.value) for s in found}


def test_each_field_is_found():
    """Every value of a persona is found in five encodings."""
    search = CanarySearch(VALUES, layers=1)
    for name in ("plain", "base64", "md5 hex", "xor 90", "gzip"):
        for field, values in VALUES.items():
            for value in values:
                with case(name, field):
                    found = search.search(FRAME % ENCODINGS[name](value))
                    assert (field, value) in {(s.field, s.value) for s in found}


def test_truncated_digest_is_found(search):
    """Eight bytes of a digest are enough, raw or in hexadecimal."""
    for length in range(8, 33):
        with case(length):
            digest = hashlib.sha256(PERSONA.imei.encode()).digest()[:length]
            (raw,) = search.search(FRAME % digest)
            (text,) = search.search(FRAME % digest.hex().encode())
            assert (raw.field, raw.data) == ("imei", digest)
            assert (text.field, text.data, text.chain[:2]) == (
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


def test_other_spellings_are_found(search):
    """Numbers without prefix or check digit are found, and addresses without separators."""
    for field, spellings in SPELLINGS.items():
        for spelling in spellings:
            for data in (spelling.encode(), hashlib.md5(spelling.encode()).hexdigest().encode()):
                with case(field, spelling):
                    assert field in {s.field for s in search.search(FRAME % data)}


def test_swapped_nibbles_are_found(search):
    """A SIM stores 89999... as 98 99 9...: the first digit is in the low nibble."""
    digits = PERSONA.iccid
    data = bytes(
        int(digits[place + 1]) << 4 | int(digits[place]) for place in range(0, len(digits), 2)
    )
    (sighting,) = search.search(b"\x00\x01" + data)
    assert (sighting.field, sighting.offset, sighting.chain) == ("iccid", 2, ("bcd swapped",))


def test_rotated_digits_are_found(search):
    """They are found plain and in base64."""
    for by in range(1, 10):
        with case(by):
            turned = bytes((o - 48 + by) % 10 + 48 for o in PERSONA.imei.encode())
            for data in (turned, base64.b64encode(turned)):
                found = search.search(FRAME % data)
                assert ("imei", f"digits+{by}") in {(s.field, s.chain[0]) for s in found}


def test_digest_of_two_identifiers_is_found(search):
    """An identifier can be the salt of another one."""
    digest = hashlib.md5((PERSONA.imei + PERSONA.android_id).encode()).hexdigest()
    chains = {s.chain for s in search.search(FRAME % digest.encode())}
    assert any(chain[0].startswith("imei before it") for chain in chains)
    assert search.search(FRAME % hashlib.md5(b"pepper" + PERSONA.imei.encode()).digest()) == ()


def test_search_again_returns_what_search_returns(search):
    """Clean bytes, encoded values and values under XOR give the same result."""
    for name in ("plain", "xor 90", "sha1 hex of 12", "gzip", "html", "rot13", "HMAC of value"):
        data = FRAME % ENCODINGS[name](PERSONA.imei.encode())
        assert search.search_again(data) == search.search(data) != ()
    other = FRAME % b"org.example@gro.elpmaxe@somebody"
    assert search.search_again(other) == search.search_again(other) == ()
    assert search.search_again(b"") == ()


def test_absent_value_is_ruled_out_by_windows():
    """An encoded value is never ruled out."""
    clean = FRAME % b"somebody"
    search = CanarySearch({"imei": FEW["imei"]})
    seen = Windows()
    seen.add([clean])
    assert search.is_absent(seen)
    for name in ("plain", "xor 90", "sha1 hex of 12", "gzip", "html", "rot13", "HMAC of value"):
        seen = Windows()
        seen.add([clean, FRAME % ENCODINGS[name](PERSONA.imei.encode())])
        assert not search.is_absent(seen), name


def test_seven_bytes_of_a_digest_are_not_found(search):
    """An unhashed value must be complete."""
    digest = hashlib.sha256(PERSONA.imei.encode()).digest()
    for data in (digest[:7], digest.hex()[:15].encode(), PERSONA.serial[:-1].encode()):
        assert search.search(FRAME % data) == search.search_again(FRAME % data) == ()


def test_fewer_layers_find_less():
    """Without layers, only plain and decoded values are found; with one, also one transform."""
    for layers in (0, 1):
        with case(layers):
            search = CanarySearch(VALUES, layers)
            assert search.search(PERSONA.imei.encode()) != ()
            assert search.search(base64.b64encode(PERSONA.imei.encode())) != ()
            assert (search.search(hashlib.md5(PERSONA.imei.encode()).digest()) != ()) == (
                layers == 1
            )
            assert search.search(hashlib.md5(PERSONA.imei[::-1].encode()).digest()) == ()


def test_sighting_has_offset_in_recorded_bytes(search):
    """The offset is that of the encoded bytes in the recording."""
    data = b"X-D: " + base64.b64encode(PERSONA.serial.encode())
    (sighting, *_) = search.search(data)
    assert sighting.field == "serial"
    assert sighting.offset == 5
    assert data[5:].startswith(sighting.data)


NOISE = hashlib.shake_256(b"noise").digest(5_000)
CLEAN = {
    "noise": NOISE,
    "base16": NOISE.hex().encode(),
    "base64": base64.b64encode(NOISE),
    "others": b"".join(v for own in canaries(make_persona(b"other")).values() for v in own),
    "requests": (FRAME % b"x") * 30,
    "null bytes": bytes(2_000),
    "zeros": b"0" * 2_000,
}


def test_clean_bytes_have_no_canary(search):
    """Noise, base64, and values and requests of others are not found."""
    for name, data in CLEAN.items():
        with case(name):
            assert search.search(data) == ()


IMEI, SERIAL = b"001017204862139", b"d74ee4aadbb8"
SHA = hashlib.sha256(IMEI).digest()
SALTED = hashlib.md5(b"miui" + IMEI).digest()
HIDDEN = hashlib.md5(base64.b64encode(IMEI[::-1])).digest()
PACKED = gzip.compress(b"--" + SERIAL, mtime=0)
DASHED = b"00-101720-486213-9"


def xor(data):
    """XOR each byte with the same key."""
    return bytes(byte ^ 0x5A for byte in data)


@pytest.fixture
def small():
    """Make a search for two values."""
    return CanarySearch({"imei": (IMEI,), "serial": (SERIAL,)})


@pytest.mark.parametrize(
    ("data", "sightings"),
    [
        (IMEI, [("imei", (), 0, IMEI)]),
        (b"-" + IMEI + b"-" + SERIAL, [("imei", (), 1, IMEI), ("serial", (), 17, SERIAL)]),
        (SERIAL + b"-" + IMEI, [("serial", (), 0, SERIAL), ("imei", (), 13, IMEI)]),
        (IMEI + b"-" + IMEI, [("imei", (), 0, IMEI), ("imei", (), 16, IMEI)]),
        (b"00-101720-486213-9", [("imei", ("with dashes",), 0, b"00-101720-486213-9")]),
        (SERIAL.hex().encode(), [("serial", ("base16",), 0, SERIAL.hex().encode())]),
        (
            SERIAL[::-1].hex().encode(),
            [("serial", ("reversed", "base16"), 0, SERIAL[::-1].hex().encode())],
        ),
        (b"-" + SHA, [("imei", ("sha256",), 1, SHA)]),
        (b"-" + SHA[:9] + b"-", [("imei", ("sha256", "first 9 of 32"), 1, SHA[:9])]),
        (
            SHA.hex()[:17].encode() + b"-",
            [("imei", ("sha256", "base16", "first 17 of 64"), 0, SHA.hex()[:17].encode())],
        ),
        (SALTED, [("imei", ("'miui' before it → md5",), 0, SALTED)]),
        (
            SALTED[:8] + b"-",
            [("imei", ("'miui' before it → md5", "first 8 of 16"), 0, SALTED[:8])],
        ),
        (
            SALTED.hex().upper().encode()[:16],
            [
                (
                    "imei",
                    ("'miui' before it → md5", "BASE16", "first 16 of 32"),
                    0,
                    SALTED.hex().upper().encode()[:16],
                )
            ],
        ),
        (HIDDEN, [("imei", ("reversed → base64 → md5",), 0, HIDDEN)]),
        (b"112128315973240", [("imei", ("digits+1",), 0, b"112128315973240")]),
        (
            b"-" + xor(SERIAL) + b"-",
            [("serial", ("xor 5a",), 1, xor(SERIAL))],
        ),
        (xor(DASHED), [("imei", ("with dashes", "xor 5a"), 0, xor(DASHED))]),
        (b"xx" + PACKED, [("serial", ("undone by gunzip",), 2, SERIAL)]),
        (
            b"xx" + base64.b64encode(PACKED),
            [("serial", ("undone by gunzip", "undone by decode base64"), 2, SERIAL)],
        ),
        (
            zlib.compress(SERIAL[::-1] * 2),
            [
                ("serial", ("reversed", "undone by inflate zlib"), 0, SERIAL[::-1]),
            ],
        ),
    ],
)
def test_exact_sightings(data, sightings, small):
    """Field, chain, offset and bytes are those of the reading with the fewest steps."""
    values = {"imei": IMEI, "serial": SERIAL}
    expected = tuple(
        Sighting(field, values[field], chain, offset, there)
        for field, chain, offset, there in sightings
    )
    assert small.search(data) == small.search_again(data) == expected


def test_rotated_digits_need_one_layer():
    """Without layers, rotated digits are not found."""
    turned = b"112128315973240"
    none = CanarySearch({"imei": (IMEI,)}, layers=0).search(b"-" + turned)
    assert all(found.chain[0] != "digits+1" for found in none)
    (found,) = CanarySearch({"imei": (IMEI,)}, layers=1).search(turned)
    assert found.chain == ("digits+1",)


def test_tokens_of_eight_bytes_are_found():
    """A reversed value of eight bytes is found, and a value of six in base64."""
    (found,) = CanarySearch({"serial": (b"a1b2c3d4",)}, layers=1).search(b"4d3c2b1a")
    assert found.chain == ("reversed",)
    (found,) = CanarySearch({"serial": (b"a1b2c3",)}).search(base64.b64encode(b"3c2b1a"))
    assert found.chain == ("reversed", "base64+0")


def test_less_than_64_bits_are_not_found():
    """Seven bytes or seven differences would also occur by chance."""
    assert CanarySearch({"serial": (b"a1b2c3d",)}).search(b"--a1b2c3d") == ()
    assert CanarySearch({"serial": (b"a1b2c3d4",)}).search(b"--" + xor(b"a1b2c3d4")) == ()
    (found,) = CanarySearch({"serial": (b"a1b2c3d4e",)}).search(b"--" + xor(b"a1b2c3d4e"))
    assert (found.chain, found.offset) == (("xor 5a",), 2)


def test_value_is_not_its_own_salt(small):
    """Digests of two different identifiers are computed, but not of the same one twice."""
    assert small.search(hashlib.md5(IMEI + IMEI).digest()) == ()
