"""Encodings and digests in which a value may hide, each a function of octets to octets."""

import base64
import hashlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final
from urllib.parse import quote_from_bytes

Transform = Callable[[bytes], bytes]

_DIGESTS: Final = (
    *("md5", "sha1", "sha224", "sha256", "sha384", "sha512"),
    *("sha3_224", "sha3_256", "sha3_384", "sha3_512", "blake2b", "blake2s"),
)

# Octets of a digest's first 64 bits in each encoding, as far as whole digits show them: a digest is
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
_COMPLEMENT: Final = bytes(range(255, -1, -1))


def _digest(name: str) -> Transform:
    def transform(value: bytes) -> bytes:
        return hashlib.new(name, value, usedforsecurity=False).digest()

    return transform


def _aligned(alphabet: bytes, shift: int) -> Transform:
    """Base64 of a value that stands `shift` octets behind a group's start inside longer text.

    Only the digits that the value alone decides are kept.
    """

    def transform(value: bytes) -> bytes:
        text = base64.b64encode(bytes(shift) + value, alphabet)
        first = (shift * 8 + 5) // 6
        last = (shift + len(value)) * 8 // 6
        return text[first:last]

    return transform


def _nibbles(value: bytes) -> bytes | None:
    """Give the digits of a number, padded with F to whole octets, or None for other values."""
    digits = value.removeprefix(b"+")
    if not digits.isdigit():
        return None
    return digits + b"f" * (len(digits) % 2)


def _bcd(value: bytes) -> bytes:
    nibbles = _nibbles(value)
    return b"" if nibbles is None else bytes.fromhex(nibbles.decode())


def _swapped_bcd(value: bytes) -> bytes:
    """Put the first digit into the low nibble, the order of 3GPP TS 24.008."""
    return bytes((octet << 4 | octet >> 4) & 0xFF for octet in _bcd(value))


def _utf16(codec: str) -> Transform:
    return lambda value: value.decode("utf-8", "replace").encode(codec)


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
    {name: _digest(name) for name in _DIGESTS}
)

TRANSFORMS: Final[Mapping[str, Transform]] = MappingProxyType(
    {
        "base16": lambda value: value.hex().encode(),
        "BASE16": lambda value: value.hex().upper().encode(),
        "base32": lambda value: base64.b32encode(value).rstrip(b"="),
        "base32 lower": lambda value: base64.b32encode(value).rstrip(b"=").lower(),
        **{f"base64+{shift}": _aligned(b"+/", shift) for shift in range(3)},
        **{f"base64url+{shift}": _aligned(b"-_", shift) for shift in range(3)},
        "base85": base64.b85encode,
        "ascii85": base64.a85encode,
        "url": lambda value: quote_from_bytes(value, safe="").encode(),
        "url all": lambda value: b"%" + value.hex("%").upper().encode(),
        "url all lower": lambda value: b"%" + value.hex("%").encode(),
        "html": _html,
        "json": _json_escape,
        "reversed": lambda value: value[::-1],
        "upper": bytes.upper,
        "lower": bytes.lower,
        "swapped pairs": _swapped_pairs,
        "rot13": lambda value: value.translate(_ROT13),
        "complement": lambda value: value.translate(_COMPLEMENT),
        "utf-16-le": _utf16("utf-16-le"),
        "utf-16-be": _utf16("utf-16-be"),
        "bcd": _bcd,
        "bcd swapped": _swapped_bcd,
        "decimal octets": lambda value: ".".join(map(str, value)).encode(),
        "spaced": lambda value: " ".join(value.decode("latin-1")).encode("latin-1"),
        **DIGESTS,
    }
)
"""Name to function; an empty result means that the transform does not apply to the value."""
