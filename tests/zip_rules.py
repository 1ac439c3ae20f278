"""One accepted and one refused package for each rule of the zip around an OTA package."""

import struct
import zlib

from fixtures.ota_writer import PAYLOAD
from fixtures.signing import sign_package
from fixtures.zip_writer import DEFLATED, Member
from tests.package_rule import add_entries, add_entry, of_full, of_signer, same


def _entry(name, **lies):
    return lambda draft: draft.changes.update({name: lies})


def _alignment(length):
    """Return Android's alignment extra field with `length` bytes, its header included."""
    return bytes.fromhex("35d9") + (length - 4).to_bytes(2, "little") + bytes(length - 4)


def _deflated(data, descriptor=True):
    """Return a deflated entry as Java's jar writer makes it, with its sizes after the data."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = len(deflate.compress(data) + deflate.flush())
    numbers = struct.pack("<3L", zlib.crc32(data), packed, len(data))
    return Member(
        "notes.txt",
        data,
        DEFLATED,
        flags=8,
        descriptor=(b"PK\x07\x08" if descriptor else b"") + numbers,
    )


def _after_stored(data):
    """Return the data descriptor of a stored entry."""
    return b"PK\x07\x08" + struct.pack("<3L", zlib.crc32(data), len(data), len(data))


def _wide_directory(count):
    """Add this many entries with 8 KiB in the central directory each."""
    return add_entries(*(Member(f"e{at:03}", b"", extra=_alignment(8192)) for at in range(count)))


def _second_disk(draft):
    """Let the end record state the second of several disks."""
    draft.signed_by = lambda data: sign_package(data[:-18] + b"\1\0" + data[-16:])


CONTAINER = {
    "zip-extra-length": of_full(
        _entry(PAYLOAD, extra=_alignment(8192)), _entry(PAYLOAD, extra=_alignment(8193))
    ),
    "zip-extra-kind": of_signer(
        add_entry("x", extra=_alignment(6)), add_entry("x", extra=b"UT\x05\0\x01\0\0\0\0")
    ),
    "zip-stored": of_full(same, _entry(PAYLOAD, method=DEFLATED)),
    "zip-method": of_signer(add_entry("x", b"x" * 9, method=DEFLATED), add_entry("x", method=12)),
    "zip-stored-descriptor": of_signer(
        add_entries(_deflated(b"notes" * 9)),
        add_entry("x", b"x", flags=8, descriptor=_after_stored(b"x")),
    ),
    "zip-descriptor-form": of_signer(
        add_entries(_deflated(b"notes" * 9)), add_entries(_deflated(b"notes" * 9, descriptor=False))
    ),
    "zip-encrypted": of_full(same, _entry(PAYLOAD, flags=1)),
    "zip-flags": of_signer(add_entry("x", flags=0x800), add_entry("x", flags=0x20)),
    "zip64-both-headers": of_signer(
        lambda draft: setattr(draft, "zip64", True), add_entry("x", local_wide=True)
    ),
    "zip-version-needed": of_signer(add_entry("x", needed=45), add_entry("x", needed=46)),
    "zip-host": of_signer(
        add_entry("x", made_by=20, attributes=0), add_entry("x", made_by=18 << 8 | 20)
    ),
    "zip-attributes": of_signer(
        add_entry("x/", b"", attributes=0o40755 << 16 | 16),
        add_entry("x", attributes=0o120777 << 16),
    ),
    "zip-name": of_signer(add_entry("x-1_2.3+4/y z"), add_entry("x;1")),
    "zip-name-end": of_signer(add_entry(".x/y"), add_entry("x./y")),
    "zip-name-device": of_signer(add_entry("console.txt"), add_entry("con.txt")),
    "zip-name-length": of_signer(add_entry("x" * 255), add_entry("x" * 256)),
    "zip-name-twice": of_signer(add_entry("x"), add_entry("PAYLOAD.BIN")),
    "zip-name-path": of_signer(add_entry("x/y"), add_entry("x/../y")),
    "zip-entries": of_signer(
        add_entries(*(Member(f"e{index}", b"") for index in range(1024 - 5))),
        add_entries(*(Member(f"e{index}", b"") for index in range(1024 - 4))),
    ),
    "zip-growth": of_signer(
        add_entry("x", b"x" * 12_800, method=DEFLATED),
        add_entry("x", b"x" * 12_801, method=DEFLATED),
    ),
    "zip-checksum": of_signer(add_entry("x"), add_entry("x", claimed_crc=1)),
    "zip-headers-agree": of_signer(add_entry("x"), add_entry("x", local_name="y")),
    "zip-directory": of_signer(_wide_directory(127), _wide_directory(128)),
    "zip-end": of_signer(lambda draft: setattr(draft, "zip64", True), _second_disk),
}
