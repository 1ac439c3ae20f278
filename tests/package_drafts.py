"""OTA packages as values that a test changes before they are written and signed.

A protobuf message is a list of fields `[number, wire type, value]`, and a nested message is such a
list. Any part of a manifest can be changed, moved, repeated or given another type.
"""

import copy
import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

from fixtures.catalogue import Package, find_build
from fixtures.ota_writer import (
    CERTIFICATE,
    METADATA,
    METADATA_PB,
    PAYLOAD,
    PROPERTIES,
    encode_metadata,
    metadata_fields,
)
from fixtures.payload_operations import plan_full
from fixtures.payload_writer import sign_payload
from fixtures.protobuf_writer import encode_varint
from fixtures.signing import CERTIFICATE_FILE, SIGNATURES_LENGTH, sign_message, sign_package
from fixtures.zip_writer import Member, member_offsets, write_zip

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
BLOCK = 4096
TARGET, SOURCE = find_build("armani", "id", 2), find_build("armani", "id", 1)
_STREAMING = "ota-streaming-property-files"
_KEYS = ("ota-property-files", _STREAMING)
_RESERVED = 200


def number(at, value):
    """Return a field of a number."""
    return [at, VARINT, value]


def bytes_of(at, value):
    """Return a length-delimited field: bytes, text or a message."""
    return [at, BYTES, value]


def encode(fields):
    """Encode the fields of a message; a bytes item stands for itself."""
    out = bytearray()
    for each in fields:
        if isinstance(each, bytes):
            out += each
            continue
        at, wire, value = each
        out += encode_varint(at << 3 | wire)
        match value:
            case int() if wire == VARINT:
                out += encode_varint(value)
            case int():
                out += value.to_bytes(8, "little")[: 8 if wire == FIXED64 else 4]
            case list() | str() | bytes():
                raw = encode(value) if isinstance(value, list) else value
                raw = raw.encode() if isinstance(raw, str) else raw
                out += (encode_varint(len(raw)) if wire == BYTES else b"") + raw
    return bytes(out)


def values(fields, at):
    """Return all values of a field."""
    return [each[2] for each in fields if each[0] == at]


def put(fields, at, value, wire=None):
    """Replace the only value of a field, or add it; None removes the field."""
    kept = [each for each in fields if each[0] != at]
    if value is not None:
        if wire is None:
            wire = VARINT if isinstance(value, int) else BYTES
        kept.append([at, wire, value])
    fields[:] = kept


def extent(start, count):
    """Return the fields of an extent."""
    return [number(1, start), number(2, count)]


def info(image):
    """Return the size and hash of an image as fields."""
    return [number(1, len(image)), bytes_of(2, hashlib.sha256(image).digest())]


def operation(kind, targets, data=b"", sources=(), source=b"", offset=0):
    """Return the fields of a valid operation."""
    out = [number(1, kind)]
    if data:
        out += [number(2, offset), number(3, len(data))]
    out += [bytes_of(4, extent(*each)) for each in sources]
    out += [bytes_of(6, extent(*each)) for each in targets]
    if data:
        out.append(bytes_of(8, hashlib.sha256(data).digest()))
    if source:
        out.append(bytes_of(9, hashlib.sha256(source).digest()))
    return out


@cache
def image(seed, blocks):
    """Return an image of blocks that do not compress."""
    return random.Random(seed).randbytes(blocks * BLOCK)


#: The old and the new content of the phone's partition.
OLD, NEW = image("old", 4), image("new", 4)
STEP = OLD[:BLOCK] + bytes(BLOCK) + image("changed", 2)


@dataclass
class Draft:
    """A package before it is written.

    `texts` are the lines of the text metadata, whose bytes `text` changes. `blobs` are the data of
    the operations, `members` are entries after AOSP's own. `changes` replace values of AOSP's
    entries, `properties` those of the payload, `lists` the property files, which list `names`. The
    two messages with signatures of the payload can be changed; `signed_by` signs the zip.
    """

    texts: dict
    pb: list
    manifest: list
    blobs: bytes
    members: list = field(default_factory=list)
    changes: dict = field(default_factory=dict)
    text: Callable[[bytes], bytes] = bytes
    names: list = field(default_factory=lambda: [PAYLOAD, PROPERTIES, METADATA, METADATA_PB])
    lists: dict = field(default_factory=dict)
    properties: dict = field(default_factory=dict)
    zip64: bool = False
    reserved: int = _RESERVED
    metadata_signature: Callable[[bytes], bytes] = bytes
    payload_signature: Callable[[bytes], bytes] = bytes
    signed_by: Callable[[bytes], bytes] = sign_package

    @property
    def partition(self):
        """The fields of the first partition."""
        return values(self.manifest, 13)[0]

    @property
    def operations(self):
        """The fields of the operations of the first partition."""
        return values(self.partition, 8)


@dataclass(frozen=True)
class Sealed:
    """A written package: its bytes, its lines of metadata and its payload's properties."""

    data: bytes
    texts: dict
    properties: dict

    @property
    def sha256(self):
        """The hash of the file, in hex."""
        return hashlib.sha256(self.data).hexdigest()


def _draft(package, minor, new, steps, old=None):
    target, source = package.target, package.source
    before, after = [bytes_of(1, target.codename)], [bytes_of(1, target.codename)]
    if source is not None:
        before += [bytes_of(2, source.fingerprint), bytes_of(3, source.incremental)]
    after += [bytes_of(2, target.fingerprint), bytes_of(3, target.incremental)]
    after += [number(4, target.post_timestamp), bytes_of(5, str(target.sdk_level))]
    after.append(bytes_of(6, target.security_patch_level))
    blobs = b"".join(data for _, _, data, *_ in steps)
    partition, offset = [bytes_of(1, "product")], 0
    if old is not None:
        partition.append(bytes_of(6, info(old)))
    partition.append(bytes_of(7, info(new)))
    for step in steps:
        partition.append(bytes_of(8, operation(*step, offset=offset)))
        offset += len(step[2])
    manifest = [number(3, BLOCK), number(4, len(blobs)), number(5, SIGNATURES_LENGTH)]
    manifest += [number(12, minor), bytes_of(13, partition), number(14, target.post_timestamp)]
    manifest.append(bytes_of(18, target.security_patch_level))
    pb = [number(1, 1), bytes_of(5, before), bytes_of(6, after)]
    return Draft(metadata_fields(package), pb, manifest, blobs)


@cache
def _full():
    steps = [(each.kind, each.targets, each.data) for each in plan_full(NEW)]
    return _draft(Package(TARGET), 0, NEW, steps)


@cache
def _step():
    changed = STEP[2 * BLOCK :]
    steps = [
        (4, ((0, 1),), b"", ((0, 1),), OLD[:BLOCK]),
        (6, ((1, 1),), b""),
        (0, ((2, 2),), changed),
    ]
    return _draft(Package(TARGET, SOURCE), 4, STEP, steps, OLD)


def full():
    """Return a full package of one partition that every reader accepts."""
    return copy.deepcopy(_full())


def step():
    """Return an incremental from build 1 with a SOURCE_COPY, a ZERO and a REPLACE."""
    return copy.deepcopy(_step())


def seal(draft):
    """Write and sign a package; its property files are correct unless `lists` says otherwise."""
    if draft.payload_signature is not bytes:
        put(draft.manifest, 5, len(draft.payload_signature(sign_message(b""))))
    payload = sign_payload(
        encode(draft.manifest),
        draft.blobs,
        change_metadata=draft.metadata_signature,
        change_payload=draft.payload_signature,
    )
    entries = _entries(draft, payload, dict.fromkeys(_KEYS, " " * draft.reserved))
    lists = _property_files(draft, entries, payload)
    return Sealed(
        draft.signed_by(write_zip(_entries(draft, payload, lists), zip64=draft.zip64)),
        draft.texts | lists,
        _properties(payload) | draft.properties,
    )


def _properties(payload):
    return dict(line.split("=", 1) for line in payload.properties.decode().splitlines())


def _entries(draft, payload, lists):
    properties = _properties(payload) | draft.properties
    found = {
        METADATA: draft.text(encode_metadata(draft.texts | lists)),
        METADATA_PB: encode([*draft.pb, *(_map(4, pair) for pair in sorted(lists.items()))]),
        CERTIFICATE: CERTIFICATE_FILE.read_bytes(),
        PAYLOAD: payload.data,
        PROPERTIES: "".join(f"{key}={value}\n" for key, value in properties.items()).encode(),
    }
    entries = [
        Member(**{"name": name, "data": data} | draft.changes.get(name, {}))
        for name, data in found.items()
    ]
    return [*entries, *draft.members]


def _map(at, pair):
    return bytes_of(at, [bytes_of(1, pair[0]), bytes_of(2, pair[1])])


def _property_files(draft, entries, payload):
    offsets = member_offsets(entries, zip64=draft.zip64)
    where, _ = offsets[PAYLOAD]
    tokens = [
        f"{name.rsplit('/', 1)[-1]}:{offsets[name][0]}:{offsets[name][1]}" for name in draft.names
    ]
    front = f"payload_metadata.bin:{where}:{payload.metadata_length}"
    lists = dict(zip(_KEYS, (",".join([front, *tokens]), ",".join(tokens)), strict=True))
    found = {key: draft.lists.get(key, lambda same: same)(value) for key, value in lists.items()}
    return {key: value.ljust(draft.reserved) for key, value in found.items() if value is not None}
