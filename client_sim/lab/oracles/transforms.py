"""Spellings, encodings and digests of a value that the canary search tries.

Each encoding and digest is a function from bytes to bytes. A salted digest is made of a value with
a known salt, or with another value, before or after it.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from struct import Struct
from types import MappingProxyType
from typing import Final
from urllib.parse import quote_from_bytes

_IMEI: Final = re.compile(rb"00[0-9]{13}")
_E164: Final = re.compile(rb"\+(999)([0-9]{8,12})")
_ICCID: Final = re.compile(rb"89[0-9]{18}")
_MAC: Final = re.compile(rb"[0-9a-f]{2}(?::[0-9a-f]{2}){5}")
_UUID: Final = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NAMED: Final = re.compile(rb"([^ @]{2,}) ([A-Z][a-z2-7]{8,})")


def spell(value: bytes) -> tuple[tuple[str, bytes], ...]:
    """Return the spellings of a value as (name, bytes); the first is the value, named ""."""
    return (("", value), *_others(value))


def _others(value: bytes) -> Iterator[tuple[str, bytes]]:
    if _IMEI.fullmatch(value):
        yield "without check digit", value[:14]
        yield "as IMEISV", value[:14] + b"00"
        yield "with dashes", b"-".join((value[:2], value[2:8], value[8:14], value[14:]))
    elif _ICCID.fullmatch(value):
        yield "without check digit", value[:19]
    elif number := _E164.fullmatch(value):
        country, national = number.groups()
        yield "without plus", country + national
        yield "with 00", b"00" + country + national
        yield "national", b"0" + national
        yield "without country code", national
    elif _MAC.fullmatch(value):
        plain = value.replace(b":", b"")
        yield "without colons", plain
        yield "with dashes", value.replace(b":", b"-")
        yield "with dots", b".".join((plain[:4], plain[4:8], plain[8:]))
        yield "without the last byte", value[:14]
    elif _UUID.fullmatch(value):
        yield "without dashes", value.replace(b"-", b"")
    elif b"@" in value:
        yield "local part", value.split(b"@")[0]
    elif name := _NAMED.fullmatch(value):
        yield "second name", name.group(2)


_BLOCK: Final = Struct("<QQ")
_MASK: Final = (1 << 64) - 1
_C1: Final = 0x87C37B91114253D5
_C2: Final = 0x4CF5AD432745937F


def murmur3(data: bytes) -> bytes:
    """Return the digest as in memory, with both halves little-endian."""
    one = two = 0
    whole = len(data) // 16 * 16
    for low, high in _BLOCK.iter_unpack(data[:whole]):
        one ^= _mix(low, _C1, 31, _C2)
        one = (_turn(one, 27) + two) * 5 + 0x52DCE729 & _MASK
        two ^= _mix(high, _C2, 33, _C1)
        two = (_turn(two, 31) + one) * 5 + 0x38495AB5 & _MASK
    low, high = _BLOCK.unpack(data[whole:].ljust(16, b"\0"))
    two ^= _mix(high, _C2, 33, _C1)
    one ^= _mix(low, _C1, 31, _C2)
    one, two = one ^ len(data), two ^ len(data)
    one = one + two & _MASK
    two = two + one & _MASK
    one, two = _finish(one), _finish(two)
    one = one + two & _MASK
    two = two + one & _MASK
    return one.to_bytes(8, "little") + two.to_bytes(8, "little")


def _turn(value: int, bits: int) -> int:
    return (value << bits | value >> 64 - bits) & _MASK


def _mix(value: int, first: int, bits: int, second: int) -> int:
    return _turn(value * first & _MASK, bits) * second & _MASK


def _finish(value: int) -> int:
    value = (value ^ value >> 33) * 0xFF51AFD7ED558CCD & _MASK
    value = (value ^ value >> 33) * 0xC4CEB9FE1A85EC53 & _MASK
    return value ^ value >> 33


Transform = Callable[[bytes], bytes]

_DIGESTS: Final = (
    *("md5", "sha1", "sha224", "sha256", "sha384", "sha512"),
    *("sha3_224", "sha3_256", "sha3_384", "sha3_512", "blake2b", "blake2s"),
    # OpenSSL may be built without these.
    *(
        n
        for n in ("ripemd160", "sha512_256", "sm3", "whirlpool")
        if n in hashlib.algorithms_available
    ),
)

# Whole digits of a digest's first 64 bits in each encoding. A digest that was cut to these is still
# found; a shorter one would also match by chance.
ENOUGH: Final = MappingProxyType(
    {
        "base16": 16,
        "BASE16": 16,
        "base32": 12,
        "base64+0": 10,
        "base64url+0": 10,
    }
)

_ROT13: Final = bytes.maketrans(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
    b"NOPQRSTUVWXYZABCDEFGHIJKLMnopqrstuvwxyzabcdefghijklm",
)
_ROT47: Final = bytes(33 + (o - 33 + 47) % 94 if 33 <= o <= 126 else o for o in range(256))
_COMPLEMENT: Final = bytes(range(255, -1, -1))
_BASE58: Final = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BASE32HEX: Final = bytes.maketrans(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", b"0123456789ABCDEFGHIJKLMNOPQRSTUV"
)
# Copying takes half the time of a new object, for which the library looks up the algorithm.
_EMPTY: Final = {name: hashlib.new(name, usedforsecurity=False) for name in _DIGESTS}


def _digest(name: str, value: bytes) -> bytes:
    digest = _EMPTY[name].copy()
    digest.update(value)
    return digest.digest()


def _aligned(alphabet: bytes, shift: int, value: bytes) -> bytes:
    """Return the base64 digits of a value `shift` bytes after the start of a group of three.

    Digits that also depend on neighbouring bytes are left out.
    """
    text = base64.b64encode(bytes(shift) + value, alphabet)
    return text[(shift * 8 + 5) // 6 : (shift + len(value)) * 8 // 6]


def _nibbles(value: bytes) -> bytes | None:
    """Return the digits of a number, padded with F to whole bytes, or None for other values."""
    digits = value.removeprefix(b"+")
    if not digits.isdigit():
        return None
    return digits + b"f" * (len(digits) % 2)


def _bcd(value: bytes) -> bytes:
    nibbles = _nibbles(value)
    return b"" if nibbles is None else bytes.fromhex(nibbles.decode())


def _swapped_bcd(value: bytes) -> bytes:
    """Put the first digit into the low nibble, the order of 3GPP TS 24.008."""
    return bytes((byte << 4 | byte >> 4) & 0xFF for byte in _bcd(value))


def _base58(value: bytes) -> bytes:
    number = int.from_bytes(value, "big")
    digits = bytearray()
    while number:
        number, digit = divmod(number, 58)
        digits.append(_BASE58[digit])
    zeros = len(value) - len(value.lstrip(b"\x00"))
    return b"1" * zeros + bytes(reversed(digits))


def _turn_digits(by: int, value: bytes) -> bytes:
    """Add a number to each digit, without carrying; other bytes stay."""
    if sum(map(_is_digit, value)) < 8:
        return b""
    return bytes((byte - 48 + by) % 10 + 48 if _is_digit(byte) else byte for byte in value)


def _is_digit(byte: int) -> bool:
    return 48 <= byte <= 57


def _swapped_halves(value: bytes) -> bytes:
    """Write both halves of a murmur3 digest as numbers are read, the highest byte first."""
    digest = murmur3(value)
    return digest[7::-1] + digest[:7:-1]


def _utf16(codec: str, value: bytes) -> bytes:
    return value.decode("utf-8", "replace").encode(codec)


def _json_escape(value: bytes) -> bytes:
    if not value.isascii():
        return b""
    return b"\\u00" + value.hex("|").replace("|", "\\u00").encode()


def _swapped_pairs(value: bytes) -> bytes:
    """Exchange neighbours, as 16-bit little-endian dumps do."""
    even = len(value) // 2 * 2
    swapped = bytearray(value)
    swapped[0:even:2], swapped[1:even:2] = value[1:even:2], value[0:even:2]
    return bytes(swapped)


def _html(value: bytes) -> bytes:
    return ("&#" + ";&#".join(map(str, value)) + ";").encode()


DIGESTS: Final[Mapping[str, Transform]] = MappingProxyType(
    {
        **{name: partial(_digest, name) for name in sorted(_DIGESTS)},
        "blake2b-256": lambda value: hashlib.blake2b(value, digest_size=32).digest(),
        "murmur3": murmur3,
        "murmur3 swapped": _swapped_halves,
    }
)

TRANSFORMS: Final[Mapping[str, Transform]] = MappingProxyType(
    {
        "base16": lambda value: value.hex().encode(),
        "BASE16": lambda value: value.hex().upper().encode(),
        "base32": lambda value: base64.b32encode(value).rstrip(b"="),
        "base32 lower": lambda value: base64.b32encode(value).rstrip(b"=").lower(),
        "base32hex": lambda value: base64.b32encode(value).rstrip(b"=").translate(_BASE32HEX),
        "base58": _base58,
        **{f"base64+{shift}": partial(_aligned, b"+/", shift) for shift in range(3)},
        **{f"base64url+{shift}": partial(_aligned, b"-_", shift) for shift in range(3)},
        "base85": base64.b85encode,
        "ascii85": base64.a85encode,
        "url": lambda value: quote_from_bytes(value, safe="").encode(),
        "url all": lambda value: b"%" + value.hex("%").upper().encode(),
        "url all lower": lambda value: b"%" + value.hex("%").encode(),
        "html": _html,
        "html hex": lambda value: b"&#x" + value.hex(";").replace(";", ";&#x").encode() + b";",
        "json": _json_escape,
        "reversed": lambda value: value[::-1],
        "upper": bytes.upper,
        "lower": bytes.lower,
        "swapped pairs": _swapped_pairs,
        "rot13": lambda value: value.translate(_ROT13),
        "rot47": lambda value: value.translate(_ROT47),
        "complement": lambda value: value.translate(_COMPLEMENT),
        "utf-16-le": partial(_utf16, "utf-16-le"),
        "utf-16-be": partial(_utf16, "utf-16-be"),
        "bcd": _bcd,
        "bcd swapped": _swapped_bcd,
        "decimal bytes": lambda value: ".".join(map(str, value)).encode(),
        "spaced": lambda value: " ".join(value.decode("latin-1")).encode("latin-1"),
        **DIGESTS,
    }
)
"""Name to function; an empty result means that the transform does not apply to the value."""

ROTATIONS: Final[Mapping[str, Transform]] = MappingProxyType(
    {f"digits+{by}": partial(_turn_digits, by) for by in range(1, 10)}
)
"""Transforms that are tried only on the value itself, not after other transforms."""


SALTS: Final = (b"salt", b"hening", b"android", b"miui", b"xiaomi", b":", b"|", b"\x00")
"""Guessed salts. A client's known salt is passed to the search as a value."""

_ALGORITHMS: Final = ("md5", "sha1", "sha256")
_SALTING: Final = ("imei", "android_id", "serial", "wifi_mac", "advertising_id")


def salted_digests(
    field: str, value: bytes, values: Mapping[str, tuple[bytes, ...]]
) -> Iterator[tuple[tuple[str, ...], bytes]]:
    """Yield (chain, bytes) for digests of a value with each salt before it, after it, and by HMAC.

    The salts are `SALTS` and the phone's other identifiers in `values`, which finds digests of two
    identifiers together.
    """
    salts = [(repr(salt.decode()), salt) for salt in SALTS]
    salts += [(name, salt) for name in _SALTING if name != field for salt in values.get(name, ())]
    for name, salt in salts:
        for algorithm in _ALGORITHMS:
            yield (f"{name} before it", algorithm), DIGESTS[algorithm](salt + value)
            yield (f"{name} after it", algorithm), DIGESTS[algorithm](value + salt)
            keyed = hmac.new(salt, value, algorithm).digest()
            yield (f"HMAC keyed with {name}", algorithm), keyed
