"""Independent readers: what a value is, where it stands, and how its layers are taken off."""

import base64
import bz2
import gzip
import hashlib
import hmac
import re
import zlib
from urllib.parse import unquote_to_bytes

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from tests.client_sim.lab.mutants.stage import NOON

VALUES = {
    "the IMEI": lambda owner: owner.imei,
    "the IMSI": lambda owner: owner.imsi,
    "the ICCID": lambda owner: owner.iccid,
    "the telephone number": lambda owner: owner.phone_number,
    "the Wi-Fi MAC": lambda owner: owner.wifi_mac,
    "the Bluetooth MAC": lambda owner: owner.bluetooth_mac,
    "the serial number": lambda owner: owner.serial,
    "the Android id": lambda owner: owner.android_id,
    "the GSF id": lambda owner: owner.gsf_id,
    "the advertising id": lambda owner: owner.advertising_id,
    "the locale": lambda owner: owner.locale,
    "the language": lambda owner: owner.locale[:2],
    "the time zone": lambda owner: owner.time_zone,
    "the carrier": lambda owner: owner.carrier,
    "the battery's charge": lambda owner: owner.battery_percent,
    "the seconds since the start": lambda owner: owner.uptime_seconds,
    "battery and uptime": lambda owner: f"{owner.battery_percent}/{owner.uptime_seconds}",
    "the place": lambda owner: f"{owner.latitude},{owner.longitude}",
    "the account": lambda owner: owner.accounts[0].name,
    "the first app": lambda owner: owner.apps[0],
    "the list of apps": lambda owner: "\n".join(owner.apps),
    "all notes": lambda owner: "\n".join(note.text for note in owner.notes),
    "the contacts' numbers": lambda owner: "\n".join(each.number for each in owner.contacts),
    "the number of contacts": lambda owner: len(owner.contacts),
    "the number of messages": lambda owner: len(owner.messages),
    "whose poll failed": lambda owner: (
        f"imei={owner.imei} locale={owner.locale} apps={len(owner.apps)}"
    ),
}
"""What sources of the owner's data read, by their words."""


def _decipher(mode, data):
    cipher = Cipher(algorithms.AES128(b"one for everyone"), mode).decryptor()
    return cipher.update(data) + cipher.finalize()


def _chacha(data):
    key = b"one for everyone" * 2
    return Cipher(algorithms.ChaCha20(key, bytes(16)), mode=None).decryptor().update(data)


def _unpad(data):
    return data[: -data[-1]]


def _xor(data, key):
    whole = key * (len(data) // len(key) + 1)
    return bytes(a ^ b for a, b in zip(data, whole, strict=False))


def _open_gcm(data):
    return AESGCM(b"a key that is built into each of").decrypt(data[:12], data[12:], None)


def _open_sealed(data):
    """Open for the vendor, with its private key and the ephemeral public one."""
    vendor = X25519PrivateKey.from_private_bytes(hashlib.sha256(b"vendor").digest())
    shared = hashlib.sha256(vendor.exchange(X25519PublicKey.from_public_bytes(data[:32])))
    return ChaCha20Poly1305(shared.digest()).decrypt(bytes(12), data[32:], None)


DECODERS = {
    "the hexadecimal form": lambda told: bytes.fromhex(told.decode()),
    "the base64 form": base64.b64decode,
    "the base32 form": lambda told: base64.b32decode(told + b"=" * (-len(told) % 8)),
    "the base85 form": base64.b85decode,
    "the percent-encoded form": unquote_to_bytes,
    "the reverse": lambda told: told[::-1],
    "a mask": lambda told: _xor(told, b"Z"),
    "the gzip form": gzip.decompress,
    "the zlib form": zlib.decompress,
    "the bzip2 form": bz2.decompress,
    "AES-CBC": lambda told: _unpad(_decipher(modes.CBC(b"and never change"), told)),
    "AES-CTR": lambda told: _decipher(modes.CTR(b"and never change"), told),
    "ChaCha20 with a constant nonce": _chacha,
    "a fresh byte and what it masks": lambda told: _xor(told[1:], told[:1]),
    "a kept pad and what it masks": lambda told: _xor(told[16:], told[:16]),
    "the time's mask": lambda told: _xor(told, NOON.to_bytes(4, "big")),
    "AES-GCM with a nonce of the system": _open_gcm,
    "the vendor's seal": _open_sealed,
}
"""What takes a layer off, by the words of the encoding."""


def _keyed(value):
    return hmac.new(b"in every phone of ours", value, "sha256").hexdigest().encode()


def _hexed(name):
    return lambda value: hashlib.new(name, value).hexdigest().encode()


DIGESTS = {
    **{f"the {name}": _hexed(name) for name in ("md5", "sha1", "sha256", "sha3_256")},
    "the salted sha256": lambda value: _hexed("sha256")(b"in every phone of ours" + value),
    "8 digits of the HMAC": lambda value: _keyed(value)[:8],
    "12 digits of the HMAC": lambda value: _keyed(value)[:12],
    "the sha256 of each line": lambda value: b"".join(
        hashlib.sha256(line).digest() for line in value.splitlines()
    ),
    "a bit": lambda value: b"%d" % (sum(value) % 2),
}
"""What a value becomes that nobody can read, but everybody can compute; cut short, its begin."""

PLACES = {
    "in a cookie": rb"\r\nCookie: \w+=([^\r]*)\r",
    "in the query": rb"\?\w+=([^ ]*) HTTP",
    "behind the path": rb"(?:;s=|#)([^ ]*) HTTP",
    "as a body": rb"(?s)\r\n\r\n(.+)$",
    "as the first part of the path": rb"^GET /([^ ]*)/metadata/",
    "as the user of an absolute target": rb"^GET http://([^@]*)@",
    "as the name of a header": rb"\r\nX-([^:]*): 1\r",
    "below the host in its header": rb"\r\nHost: ([^.]*)\.updates",
    "in a path": rb"/v1/catalog/([^ ]*) HTTP",
}
"""Where a value stands in a request, by the words of the place."""


def find_told(place, data):
    """Find what was put into a request, or None where no reader knows this place."""
    if place == "in halves in two headers":
        halves = re.search(rb"\r\nX-A: (\d+)\r\nX-B: (\d+)\r\n", data)
        return halves[1] + halves[2]
    pattern = PLACES.get(place)
    if place.startswith("in the header "):
        pattern = rb"\r\n%s: ([^\r]*)\r" % place.removeprefix("in the header ").encode()
    found = None if pattern is None else re.search(pattern, data)
    return None if found is None else found[1]


def take_off(layers, told):
    """Take layers off, the last first, as far as somebody can; return how many are left."""
    layers = list(layers)
    while layers and layers[-1] in DECODERS:
        told = DECODERS[layers.pop()](told)
    return layers, told
