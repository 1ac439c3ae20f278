"""Encodings and digests in which a value may hide, each a function of bytes to bytes."""

import base64
import hashlib
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Final
from urllib.parse import quote_from_bytes

from client_sim.lab.oracles.murmur import murmur3

Transform = Callable[[bytes], bytes]

_DIGESTS: Final = (
    *("md5", "sha1", "sha224", "sha256", "sha384", "sha512"),
    *("sha3_224", "sha3_256", "sha3_384", "sha3_512", "blake2b", "blake2s"),
    # What OpenSSL has depends on how it was built.
    *(
        n
        for n in ("ripemd160", "sha512_256", "sm3", "whirlpool")
        if n in hashlib.algorithms_available
    ),
)

# Bytes of a digest's first 64 bits in each encoding, as far as whole digits show them: a digest is
# found however far it was cut off, and where less is left, chance would find it too.
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
# A copy takes half the time of another object: the library looks its algorithm up each time.
_EMPTY: Final = {name: hashlib.new(name, usedforsecurity=False) for name in _DIGESTS}


def _digest(name: str, value: bytes) -> bytes:
    digest = _EMPTY[name].copy()
    digest.update(value)
    return digest.digest()


def _aligned(alphabet: bytes, shift: int, value: bytes) -> bytes:
    """Base64 of a value that stands `shift` bytes after a group's start inside longer text.

    Only the digits that the value alone decides are kept.
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
"""What is tried of a value itself, and not of what another transform made."""
