"""Valid entries of every kind, and roles with them; tests then break one rule."""

import base64
import copy
import hashlib
import struct
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, derive_private_key
from cryptography.hazmat.primitives.serialization import Encoding
from tuf.api.metadata import TargetFile, Targets

from server.core.content.part import encode_part, split_entries

EXPIRES = datetime(2026, 4, 1, tzinfo=UTC)
HOSTS = ["example.com"]
SOURCES = [{"licence": "CC0-1.0", "name": "hand-made", "version": "1"}]


def segment(marker, body):
    """Return a segment of a JPEG."""
    return bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body


JFIF = segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0")
TABLES = (
    segment(0xDB, b"\0" + b"\1" * 64)
    + segment(0xC4, b"\0" + b"\1" + bytes(15) + b"\0")  # one code of one bit: no difference
    + segment(0xC4, b"\x10" + b"\1" + bytes(15) + b"\0")  # and one: end of block
)


def jpeg(width=64, height=64):
    """Return a grey JPEG, composed after ITU-T T.81 with two bits for each block of 8x8."""
    frame = segment(0xC0, struct.pack(">BHHB3B", 8, height, width, 1, 1, 0x11, 0))
    scan = segment(0xDA, b"\1\1\0\0\x3f\0")
    blocks = -(-width // 8) * -(-height // 8)
    return b"\xff\xd8" + JFIF + TABLES + frame + scan + bytes(-(-blocks // 4)) + b"\xff\xd9"


def certificate(*, ca=True):
    """Return a self-signed certificate in DER."""
    key = derive_private_key(7, SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Root")])
    builder = (
        x509.CertificateBuilder(name, name, key.public_key(), 1)
        .not_valid_before(EXPIRES)
        .not_valid_after(EXPIRES + timedelta(days=1))
        .add_extension(x509.KeyUsage(*[True] * 6, *[False] * 3), critical=True)
        .add_extension(x509.BasicConstraints(ca, None), critical=True)
    )
    signed = builder.sign(key, hashes.SHA256(), ecdsa_deterministic=True)
    return signed.public_bytes(Encoding.DER)


#: The bytes after the first header of an empty zone, for readers of version 1.
EMPTY = struct.pack(">6I", 0, 0, 0, 0, 1, 1) + struct.pack(">iBB", 0, 0, 0) + b"\0"
#: The same for a full zone: equal to the second block, within 32 bits.
FULL = struct.pack(">6I", 0, 0, 0, 0, 1, 4) + struct.pack(">iBB", 25200, 0, 0) + b"+07\0"


def tzif(footer=b"<+07>-7", offset=25200, names=b"+07\0", first=EMPTY):
    """Return a time zone without transitions in version 2 of RFC 9636."""
    head = b"TZif2" + bytes(15)
    first = head + first
    second = head + struct.pack(">6I", 0, 0, 0, 0, 1, len(names))
    return first + second + struct.pack(">iBB", offset, 0, 0) + names + b"\n" + footer + b"\n"


def b64(data):
    """Return standard base64."""
    return base64.b64encode(data).decode()


DER = certificate()
PICTURE = jpeg()
COLOURS = {"background": "#ffffff", "primary": "#336699", "text": "#000000"}
NEWS = {
    "body": {"en": "Two lines.\nNo more.", "id": "Satu baris."},
    "end": "2026-12-31",
    "link": "https://example.com/a?b=c",
    "models": ["armani"],
    "published": "2026-01-05",
    "severity": "info",
    "title": {"en": "News", "id": "Kabar"},
}
_SAMPLES = {
    "apn": {
        "510-10": {
            "apns": [
                {"apn": "internet", "carrier": "Telkomsel", "types": ["default", "supl"]},
                {
                    "apn": "mms",
                    "auth": "pap",
                    "carrier": "Telkomsel",
                    "mmsc": "http://mms.example.com/",
                    "mmsport": 8000,
                    "protocol": "IPV4V6",
                    "types": ["mms"],
                },
            ]
        },
        "ID": {"apns": [{"apn": "x", "carrier": "Y", "types": ["default"]}]},
    },
    "ca": {hashlib.sha256(DER).hexdigest(): {"der": b64(DER), "name": "Root"}},
    "emergency": {"ID": {"exact": True, "numbers": ["110", "112"]}},
    "features": {"private-share": NEWS},
    "greetings": {
        "occasion/new-year": {"days": {"*": ["2026-01-01"]}, "name": {"en": "New Year"}},
        "occasion/love": {"days": {}, "name": {"en": "Love"}},
        "text/id/new-year/1": {"author": "A", "licence": "CC0-1.0", "text": "Selamat\ntahun baru!"},
    },
    "holidays": {"ID-2026": {"days": [["2026-01-01", {"id": "Tahun Baru"}]]}},
    "notices": {"end-of-support": NEWS},
    "themes": {
        "sea": {
            "author": "A",
            "dark": COLOURS | {"background": "#000000", "text": "#ffffff"},
            "licence": "CC0-1.0",
            "light": COLOURS,
            "title": {"en": "Sea"},
            "wallpaper": "waves",
        }
    },
    "wallpapers": {
        "waves": {
            "author": "A",
            "height": 64,
            "length": len(PICTURE),
            "licence": "CC0-1.0",
            "placeholder": "00J8Zk",
            "sha256": hashlib.sha256(PICTURE).hexdigest(),
            "title": {"en": "Waves"},
            "width": 64,
        }
    },
    "zones": {"Asia/Jakarta": {"tzif": b64(tzif())}, "WIB": {"link": "Asia/Jakarta"}},
}
KINDS = tuple(_SAMPLES)


def entries_of(kind):
    """Return valid entries of a kind, which may be changed."""
    return copy.deepcopy(_SAMPLES[kind])


def pack(version=1, **changes):
    """Return a pack's entry in the index."""
    return {
        "rollout": [[0, 1000]],
        "sources": SOURCES,
        "start": 0,
        "title": {"en": "A pack"},
        "version": version,
        "withdrawn": [],
    } | changes


def make_pack_role(role, entries, packs=None, pictures=None, version=1):
    """Return a role with packs of these entries by kind, and the bytes of its targets by path."""
    files = {
        f"{role}/{kind}/{number:02}.xz": encode_part(kind, number, part)
        for kind, each in entries.items()
        for number, part in enumerate(split_entries(kind, each))
    }
    for name in entries.get("wallpapers", {}):
        files[f"content/wallpapers/{name}.jpg"] = (pictures or {}).get(name, PICTURE)
    custom = {"hosts": HOSTS, "packs": {k: pack() for k in entries} | (packs or {}), "schema": 1}
    targets = {
        path: TargetFile(
            len(data), {"sha256": hashlib.sha256(data).hexdigest()}, path, {"custom": {"schema": 1}}
        )
        for path, data in sorted(files.items())
    }
    made = Targets(version=version, expires=EXPIRES, targets=targets)
    made.unrecognized_fields["custom"] = custom
    return made, files
