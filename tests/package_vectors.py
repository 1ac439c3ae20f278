"""One accepted and one refused package for each rule of docs/FORMATS.md section 14.

The accepted one is at the rule's limit and the refused one just beyond it.
"""

import lzma
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import pkcs7

from fixtures.ota_writer import METADATA, PAYLOAD, encode_metadata
from fixtures.protobuf_writer import bytes_field, fixed32_field
from fixtures.signing import CERTIFICATE_FILE, load_key, sign_package
from fixtures.zip_writer import DEFLATED, Member
from tests.package_drafts import (
    BLOCK,
    FIXED32,
    FIXED64,
    NEW,
    OLD,
    SOURCE,
    TARGET,
    Draft,
    bytes_of,
    encode,
    extent,
    full,
    info,
    number,
    operation,
    put,
    seal,
    step,
    values,
)

STREAMING = "ota-streaming-property-files"
TOKEN = len(",:12345:1")
UNKNOWN = b"\xa0\x01\x00"  # field 20, a number
METADATA_KEYS = "ota-property-files=\nota-streaming-property-files=\n"


@dataclass(frozen=True)
class Rule:
    """Builds the two packages of a rule.

    With `by_signer` the rule is the signer's alone and a phone takes both. With `of_manifest` the
    manifests are checked without the data, which would be too large to write. `limits` are
    constants of both sides that are lowered meanwhile, for the same reason.
    """

    accepted: Callable[[], Draft]
    refused: Callable[[], Draft]
    by_signer: bool = False
    of_manifest: bool = False
    limits: dict[str, int] = field(default_factory=dict)


def _made(make, *changes):
    """Return a function that makes a draft and changes it."""

    def built():
        draft = make()
        for change in changes:
            change(draft)
        return draft

    return built


def _rule(make, accept, refuse, **options):
    return Rule(_made(make, accept), _made(make, refuse), **options)


def _same(_):
    """Change nothing."""


# --- changes of a draft -----------------------------------------------------------------------


def _entry(name, **lies):
    return lambda draft: draft.changes.update({name: lies})


def _more(*members):
    return lambda draft: draft.members.extend(members)


def _named(name, data=b"x", **lies):
    return _more(Member(name, data, **lies))


def _alignment(length):
    """Return an extra field of Android's alignment that has `length` bytes with its head."""
    return bytes.fromhex("35d9") + (length - 4).to_bytes(2, "little") + bytes(length - 4)


def _deflated(data, descriptor=True):
    """Return an entry as Java's jar writer makes it: deflated, with its sizes after it."""
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
    """Return the descriptor of a stored entry."""
    return b"PK\x07\x08" + struct.pack("<3L", zlib.crc32(data), len(data), len(data))


def _lines(**texts):
    """Set lines of the text metadata; None removes one. An underscore stands for a hyphen."""

    def change(draft):
        for key, value in texts.items():
            draft.texts[key.replace("_", "-")] = value
        draft.texts = {key: value for key, value in draft.texts.items() if value is not None}

    return change


def _pb(part, at, value, wire=None):
    """Set a field of metadata.pb, of its precondition (5) or postcondition (6)."""

    def change(draft):
        fields = draft.pb if part is None else values(draft.pb, part)[0]
        put(fields, at, value, wire)

    return change


def _manifest(at, value, wire=None):
    return lambda draft: put(draft.manifest, at, value, wire)


def _partition(at, value, wire=None):
    return lambda draft: put(draft.partition, at, value, wire)


def _op(index, at, value, wire=None):
    return lambda draft: put(draft.operations[index], at, value, wire)


def _all(*changes):
    def change(draft):
        for each in changes:
            each(draft)

    return change


def _steps(new, *steps, old=None, minor=None):
    """Replace the operations of the partition, and their result."""

    def change(draft):
        partition = draft.partition
        kept = [each for each in partition if each[0] != 8]
        offset = 0
        for one in steps:
            kept.append(bytes_of(8, operation(*one, offset=offset)))
            offset += len(one[2]) if len(one) > 2 else 0
        partition[:] = kept
        put(partition, 7, info(new))
        if old is not None:
            put(partition, 6, info(old))
        draft.blobs = b"".join(one[2] for one in steps if len(one) > 2)
        put(draft.manifest, 4, len(draft.blobs))
        if minor is not None:
            put(draft.manifest, 12, minor)

    return change


def _partitions(count):
    """Add small partitions until there are `count`."""

    def change(draft):
        block = NEW[:BLOCK]
        for index in range(count - 1):
            at = len(draft.blobs)
            one = [bytes_of(1, f"p{index}"), bytes_of(7, info(block))]
            one.append(bytes_of(8, operation(0, ((0, 1),), block, offset=at)))
            draft.manifest.append(bytes_of(13, one))
            draft.blobs += block
        put(draft.manifest, 4, len(draft.blobs))

    return change


def _zeros(count, targets=lambda at: ((at, 1),), blocks=None):
    """Let the partition have `count` operations that write zeros."""

    def change(draft):
        partition = [each for each in draft.partition if each[0] not in {7, 8}]
        size = (blocks or count) * BLOCK
        partition.append(bytes_of(7, [number(1, size), bytes_of(2, bytes(32))]))
        partition += [bytes_of(8, encode(operation(6, targets(at)))) for at in range(count)]
        draft.partition[:] = partition
        draft.blobs = b""
        put(draft.manifest, 4, 0)

    return change


def _name(name):
    return _partition(1, name)


def _second(name):
    def change(draft):
        _partitions(2)(draft)
        put(values(draft.manifest, 13)[1], 1, name)

    return change


def _sized(at, size):
    """Change the size of the new (7) or old (6) content."""
    return lambda draft: put(values(draft.partition, at)[0], 1, size)


def _text_length(limit, beyond):
    """Pad the property files until the text metadata has `limit` bytes, or just more."""

    def change(draft):
        have = len(encode_metadata(draft.texts)) + len(METADATA_KEYS)
        draft.reserved = (limit - have) // 2 + beyond

    return change


def _drop_name(name):
    return lambda draft: draft.names.remove(name)


def _property_name(length):
    """List an entry whose name has `length` characters."""

    def change(draft):
        name = "n" * length
        _named(name)(draft)
        draft.names.append(name)

    return change


def _list(change, key="ota-streaming-property-files"):
    return lambda draft: draft.lists.update({key: change})


def _reserved(length):
    def change(draft):
        draft.reserved = length

    return change


def _text(change):
    """Change the bytes of the text metadata after the property files were written into them."""
    return lambda draft: setattr(draft, "text", change)


def _devices(*names):
    def change(draft):
        draft.texts["pre-device"] = "|".join(names)
        for part in (5, 6):
            fields = values(draft.pb, part)[0]
            fields[:] = [bytes_of(1, name) for name in names] + [f for f in fields if f[0] != 1]

    return change


def _fingerprint(length):
    value = "Hening/".ljust(length, "x")
    return _all(_lines(post_build=value), _pb(6, 2, value))


def _incremental(length):
    value = "1".ljust(length, "x")
    return _all(_lines(post_build_incremental=value), _pb(6, 3, value))


def _built(moment):
    return _all(_lines(post_timestamp=str(moment)), _pb(6, 4, moment), _manifest(14, moment))


def _patched(day):
    return _all(_lines(post_security_patch_level=day), _pb(6, 6, day), _manifest(18, day))


def _sdk(level):
    return _all(_lines(post_sdk_level=level), _pb(6, 5, level))


def _sources(count):
    """Let an incremental start from this many builds, the running one among them."""
    builds = [SOURCE.fingerprint, *(f"Hening/{index}" for index in range(count - 1))]

    def change(draft):
        draft.texts["pre-build"] = "|".join(builds)
        fields = values(draft.pb, 5)[0]
        put(fields, 2, None)
        fields += [bytes_of(2, build) for build in builds]

    return change


def _listed(length):
    """List so many entries that the streaming property files have `length` characters."""

    def change(draft):
        draft.reserved = 2048
        while rest := length - len(seal(draft).texts[STREAMING].rstrip(" ")):
            name = str(len(draft.names)).ljust(rest - TOKEN if rest <= 64 + TOKEN else 40, "n")
            _named(name)(draft)
            draft.names.append(name)

    return change


def _fields(count):
    """Let the manifest have `count` fields, most of them unknown."""
    return lambda draft: draft.manifest.append(UNKNOWN * (count - len(draft.manifest)))


def _large(kind, blocks):
    return _raw_steps(
        blocks,
        [number(1, kind), number(3, 9), bytes_of(6, extent(0, blocks)), bytes_of(8, bytes(32))],
    )


def _patched_from(blocks):
    return [
        *(number(1, 5), number(3, 9), bytes_of(4, extent(0, blocks)), bytes_of(6, extent(0, 1))),
        *(bytes_of(8, bytes(32)), bytes_of(9, bytes(32))),
    ]


def _xz_steps(check):
    """Let the image come from one xz stream with the x86 filter and this check."""
    filters = [{"id": lzma.FILTER_X86}, {"id": lzma.FILTER_LZMA2}]
    return _steps(NEW, (8, ((0, 4),), lzma.compress(NEW, check=check, filters=filters)))


REPLACED = _steps(NEW, (0, ((0, 4),), NEW))
LAST_SHORT = _steps(NEW, (0, ((0, 4),), NEW[:-1]))
LARGE = 65_536  # blocks, 256 MiB


def _raw_steps(new_blocks, *operations_, old_blocks=None):
    """Let the partition have operations that no reader carries out."""

    def change(draft):
        partition = [each for each in draft.partition if each[0] not in {6, 7, 8}]
        if old_blocks is not None:
            partition.append(bytes_of(6, [number(1, old_blocks * BLOCK), bytes_of(2, bytes(32))]))
        partition.append(bytes_of(7, [number(1, new_blocks * BLOCK), bytes_of(2, bytes(32))]))
        partition += [bytes_of(8, each) for each in operations_]
        draft.partition[:] = partition
        length = sum(values(each, 3)[0] if values(each, 3) else 0 for each in operations_)
        draft.blobs = bytes(length)
        put(draft.manifest, 4, length)

    return change


def _wide_directory(count):
    """Let this many entries have 8 KiB of the directory each."""
    return _more(*(Member(f"e{at:03}", b"", extra=_alignment(8192)) for at in range(count)))


def _second_disk(draft):
    """Let the end record state the second of several disks."""
    draft.signed_by = lambda data: sign_package(data[:-18] + b"\1\0" + data[-16:])


CONTAINER = {
    "zip-extra-length": _rule(
        full, _entry(PAYLOAD, extra=_alignment(8192)), _entry(PAYLOAD, extra=_alignment(8193))
    ),
    "zip-extra-kind": _rule(
        full,
        _named("x", extra=_alignment(6)),
        _named("x", extra=b"UT\x05\0\x01\0\0\0\0"),
        by_signer=True,
    ),
    "zip-stored": _rule(full, _same, _entry(PAYLOAD, method=DEFLATED)),
    "zip-method": _rule(
        full,
        _named("x", b"x" * 9, method=DEFLATED),
        _named("x", method=12),
        by_signer=True,
    ),
    "zip-stored-descriptor": _rule(
        full,
        _more(_deflated(b"notes" * 9)),
        _named("x", b"x", flags=8, descriptor=_after_stored(b"x")),
        by_signer=True,
    ),
    "zip-descriptor-form": _rule(
        full,
        _more(_deflated(b"notes" * 9)),
        _more(_deflated(b"notes" * 9, descriptor=False)),
        by_signer=True,
    ),
    "zip-encrypted": _rule(full, _same, _entry(PAYLOAD, flags=1)),
    "zip-flags": _rule(full, _named("x", flags=0x800), _named("x", flags=0x20), by_signer=True),
    "zip64-both-headers": _rule(
        full,
        lambda draft: setattr(draft, "zip64", True),
        _named("x", local_wide=True),
        by_signer=True,
    ),
    "zip-version-needed": _rule(
        full, _named("x", needed=45), _named("x", needed=46), by_signer=True
    ),
    "zip-host": _rule(
        full,
        _named("x", made_by=20, attributes=0),
        _named("x", made_by=18 << 8 | 20),
        by_signer=True,
    ),
    "zip-attributes": _rule(
        full,
        _named("x/", b"", attributes=0o40755 << 16 | 16),
        _named("x", attributes=0o120777 << 16),
        by_signer=True,
    ),
    "zip-name": _rule(full, _named("x-1_2.3+4/y z"), _named("x;1"), by_signer=True),
    "zip-name-end": _rule(full, _named(".x/y"), _named("x./y"), by_signer=True),
    "zip-name-device": _rule(full, _named("console.txt"), _named("con.txt"), by_signer=True),
    "zip-name-length": _rule(full, _named("x" * 255), _named("x" * 256), by_signer=True),
    "zip-name-twice": _rule(full, _named("x"), _named("PAYLOAD.BIN"), by_signer=True),
    "zip-name-path": _rule(full, _named("x/y"), _named("x/../y"), by_signer=True),
    "zip-entries": _rule(
        full,
        _more(*(Member(f"e{index}", b"") for index in range(1024 - 5))),
        _more(*(Member(f"e{index}", b"") for index in range(1024 - 4))),
        by_signer=True,
    ),
    "zip-growth": _rule(
        full,
        _named("x", b"x" * 12_800, method=DEFLATED),
        _named("x", b"x" * 12_801, method=DEFLATED),
        by_signer=True,
    ),
    "zip-checksum": _rule(full, _named("x"), _named("x", claimed_crc=1), by_signer=True),
    "zip-headers-agree": _rule(full, _named("x"), _named("x", local_name="y"), by_signer=True),
    "zip-directory": _rule(full, _wide_directory(127), _wide_directory(128), by_signer=True),
    "zip-end": _rule(
        full, lambda draft: setattr(draft, "zip64", True), _second_disk, by_signer=True
    ),
}
TWICE = number(3, BLOCK)
METADATA_RULES = {
    "metadata-length": _rule(full, _text_length(65_536, 0), _text_length(65_536, 1)),
    "metadata-line": _rule(full, _same, _text(lambda raw: raw + b"x\n")),
    "metadata-empty-line": _rule(full, _same, _text(lambda raw: raw + b"\n")),
    "metadata-key": _rule(full, _same, _text(lambda raw: raw + b"#x=1\n"), by_signer=True),
    "metadata-twice": _rule(full, _same, _text(lambda raw: raw + b"ota-type=AB\n")),
    "metadata-known": _rule(full, _same, _lines(x_new="1"), by_signer=True),
    "metadata-ascii": _rule(full, _same, _lines(ota_required_cache="0\xe9"), by_signer=True),
    "metadata-type": _rule(full, _same, _all(_lines(ota_type="BLOCK"), _pb(None, 1, 2))),
    "metadata-device": _rule(full, _devices("armani", "dior"), _devices("dior")),
    "metadata-fingerprint": _rule(full, _fingerprint(128), _fingerprint(129)),
    "metadata-incremental": _rule(full, _incremental(64), _incremental(65)),
    "metadata-one-target": _rule(
        full,
        _same,
        _all(_lines(post_build="Hening/1|Hening/2"), _pb(6, 2, "Hening/1|Hening/2")),
        by_signer=True,
    ),
    "metadata-timestamp": _rule(full, _built(2**53 - 1), _built(2**53)),
    "metadata-patch-level": _rule(full, _patched("2028-02-29"), _patched("2027-02-29")),
    "metadata-sdk-level": _rule(full, _sdk(str(2**53 - 1)), _sdk(str(2**53))),
    "metadata-sources": _rule(step, _sources(8), _sources(9)),
    "metadata-both-sources": _rule(
        step, _same, _all(_lines(pre_build_incremental=None), _pb(5, 3, None))
    ),
    "metadata-incremental-payload": _rule(
        step,
        _same,
        _all(_lines(pre_build=None, pre_build_incremental=None), _pb(5, 2, None), _pb(5, 3, None)),
    ),
    "metadata-wipe": _rule(full, _same, _all(_lines(ota_wipe="yes"), _pb(None, 2, 1))),
    "metadata-downgrade": _rule(full, _same, _all(_lines(ota_downgrade="yes"), _pb(None, 3, 1))),
    "metadata-spl-downgrade": _rule(
        full, _same, _all(_lines(spl_downgrade="yes"), _pb(None, 9, 1))
    ),
    "metadata-retrofit": _rule(
        full,
        _same,
        _all(_lines(ota_retrofit_dynamic_partitions="yes"), _pb(None, 7, 1)),
    ),
    "metadata-serialno": _rule(full, _same, _lines(serialno="x")),
    "metadata-pb-agrees": _rule(full, _pb(6, 1, None), _pb(6, 1, "dior"), by_signer=True),
    "metadata-pb-conditions": _rule(full, _same, _pb(5, 4, 1), by_signer=True),
    "metadata-pb-wire": _rule(full, _same, _pb(6, 4, 1, FIXED64), by_signer=True),
}
PROPERTY_RULES = {
    "files-needed": _rule(full, _same, _drop_name(METADATA)),
    "files-name": _rule(full, _property_name(64), _property_name(65)),
    "files-length": _rule(full, _listed(1_024), _listed(1_025)),
    "files-twice": _rule(full, _same, _list(lambda text: f"{text},{text.split(',')[0]}")),
    "files-true": _rule(full, _same, _list(lambda text: text.replace(":", ":0"))),
    "files-streaming": _rule(full, _same, _list(lambda _: None)),
    "properties-length": _rule(
        full,
        lambda draft: draft.properties.update({"DOWNLOAD_RETRY": "1" * 512}),
        lambda draft: draft.properties.update({f"X{index}": "1" * 512 for index in range(32)}),
    ),
    "properties-true": _rule(
        full, _same, lambda draft: draft.properties.update({"FILE_SIZE": "1"})
    ),
    "properties-known": _rule(
        full, _same, lambda draft: draft.properties.update({"EXTRA": "1"}), by_signer=True
    ),
    "properties-wipe": _rule(
        full,
        lambda draft: draft.properties.update({"POWERWASH": "0", "SPL_DOWNGRADE": "0"}),
        lambda draft: draft.properties.update({"POWERWASH": "1"}),
        by_signer=True,
    ),
    "properties-revealing": _rule(
        full, _same, lambda draft: draft.properties.update({"USER_AGENT": "x"}), by_signer=True
    ),
}
MANIFEST_RULES = {
    "wire-type": _rule(full, _same, _manifest(12, 0, FIXED32)),
    "wire-type-unread": _rule(full, _partition(2, 1), _partition(2, 1, FIXED32), by_signer=True),
    "wire-nested": _rule(full, _manifest(15, b""), _manifest(15, b"\xff"), by_signer=True),
    "wire-twice": _rule(full, _same, lambda draft: draft.manifest.append(TWICE)),
    "wire-varint": _rule(full, _same, lambda draft: draft.manifest.append(b"\x98\x01\x80\x00")),
    "wire-bits": _rule(full, _same, _manifest(3, BLOCK + 2**32)),
    "wire-groups": _rule(full, _same, lambda draft: draft.manifest.append(b"\x9b\x01\x9c\x01")),
    "wire-unknown": _rule(full, _same, _manifest(19, 1), by_signer=True),
    "wire-fields": _rule(
        full, _fields(30), _fields(31), of_manifest=True, limits={"MAX_FIELDS": 30}
    ),
    "block-size": _rule(full, _same, _manifest(3, 512)),
    "minor-full": _rule(full, _manifest(12, 0), _manifest(12, 2)),
    "minor-incremental": _rule(step, _manifest(12, 9), _manifest(12, 10)),
    "max-timestamp": _rule(full, _same, _manifest(14, SOURCE.post_timestamp - 1)),
    "max-timestamp-equal": _rule(
        full, _same, _manifest(14, TARGET.post_timestamp + 1), by_signer=True
    ),
    "patch-level-equal": _rule(
        full, _manifest(18, None), _manifest(18, "2099-01-05"), by_signer=True
    ),
    "partial": _rule(full, _manifest(16, 0), _all(_manifest(16, 1), _manifest(12, 7))),
    "partitions": _rule(
        *(full, _partitions(128), _partitions(129)),
        of_manifest=True,
        limits={"MAX_PARTITIONS": 128},
    ),
    "partition-name": _rule(full, _second("P" * 36), _second("P" * 37), of_manifest=True),
    "partition-twice": _rule(full, _second("products"), _second("Product"), of_manifest=True),
    "partition-size": _rule(full, _same, _sized(7, 4 * BLOCK - 512)),
    "partition-old-size": _rule(step, _same, _sized(6, 4 * BLOCK - 512)),
    "partition-hash": _rule(full, _same, lambda draft: put(values(draft.partition, 7)[0], 2, b"x")),
    "partition-largest": _rule(
        step,
        _zeros(1, lambda _: ((0, 1 << 24),), 1 << 24),
        _zeros(1, lambda _: ((0, (1 << 24) + 1),), (1 << 24) + 1),
        of_manifest=True,
    ),
    "verity": _rule(
        full,
        _same,
        _all(_steps(NEW, (0, ((0, 3),), NEW[: 3 * BLOCK])), _partition(11, extent(3, 1))),
    ),
    "verity-data": _rule(full, _same, _partition(10, extent(0, 1))),
    "operations": _rule(
        step, _zeros(20), _zeros(21), of_manifest=True, limits={"MAX_OPERATIONS": 20}
    ),
    "extents": _rule(
        step,
        _zeros(2, lambda at: tuple((at * 10 + each, 1) for each in range(10)), 20),
        _zeros(3, lambda at: tuple((at * 7 + each, 1) for each in range(7)), 21),
        of_manifest=True,
        limits={"MAX_EXTENTS": 20},
    ),
    "extent-empty": _rule(
        full, _same, lambda draft: draft.operations[0].append(bytes_of(6, extent(0, 0)))
    ),
    "extent-inside": _rule(full, _same, _steps(NEW, (0, ((0, 3), (4, 1)), NEW))),
    "extent-source": _rule(
        step,
        _steps(OLD, (4, ((0, 4),), b"", ((0, 4),), OLD)),
        _steps(OLD, (4, ((0, 4),), b"", ((1, 4),), OLD)),
    ),
    "blocks-once": _rule(full, _same, _steps(NEW, (0, ((0, 3), (2, 1)), NEW))),
    "blocks-all": _rule(full, _same, _steps(NEW, (0, ((0, 3),), NEW[: 3 * BLOCK]))),
    "operation-type": _rule(full, _same, _op(0, 1, None)),
    "operation-known": _rule(full, _same, _steps(NEW, (14, ((0, 4),), NEW))),
    "operation-puffdiff": _rule(
        step, _manifest(12, 5), _steps(OLD, (9, ((0, 4),), b"x", ((0, 4),), OLD), minor=5)
    ),
    "operation-since": _rule(step, _manifest(12, 4), _manifest(12, 3)),
    "operation-data-hash": _rule(full, _same, _op(0, 8, None)),
    "operation-hash-length": _rule(step, _same, _op(1, 8, b"12345")),
    "operation-data": _rule(step, _same, _op(1, 3, 1)),
    "operation-source": _rule(step, _same, _op(0, 4, None)),
    "operation-no-source": _rule(step, _same, _op(2, 4, encode(extent(0, 1)))),
    "operation-source-hash": _rule(step, _same, _op(0, 9, None), by_signer=True),
    "operation-copy": _rule(
        step, _same, lambda draft: put(draft.operations[0], 4, encode(extent(0, 2)))
    ),
    "replace-fills": _rule(full, REPLACED, LAST_SHORT),
    "target-length": _rule(full, _op(0, 7, 4 * BLOCK), _op(0, 7, 4 * BLOCK - 1)),
    "target-length-zero": _rule(step, _op(1, 7, BLOCK), _op(1, 7, 0)),
    "source-length": _rule(step, _op(0, 5, BLOCK), _op(0, 5, BLOCK - 1)),
    "operation-head": _rule(full, _xz_steps(lzma.CHECK_CRC32), _xz_steps(lzma.CHECK_CRC64)),
    "operation-data-size": _rule(full, _large(8, LARGE), _large(8, LARGE + 1), of_manifest=True),
    "operation-source-size": _rule(
        step,
        _raw_steps(1, _patched_from(LARGE), old_blocks=LARGE),
        _raw_steps(1, _patched_from(LARGE + 1), old_blocks=LARGE + 1),
        of_manifest=True,
    ),
    "data-in-order": _rule(full, _same, _op(0, 2, 1)),
    "data-all": _rule(full, _same, lambda draft: setattr(draft, "blobs", draft.blobs + b"x")),
    "signature-place": _rule(full, _same, _manifest(5, None)),
    "manifest-metadata-hash": _rule(
        full, _same, lambda draft: draft.properties.update({"METADATA_HASH": "A" * 43 + "="})
    ),
}


def _signed(metadata=bytes, payload=bytes):
    """Change the messages with the signatures of metadata and payload."""

    def change(draft):
        draft.metadata_signature, draft.payload_signature = metadata, payload

    return change


JUNK = bytes_field(1, bytes_field(2, bytes(range(256))))


def _padded(more):
    """Return the message with zeros after its signature, and `more` added to its length."""

    def change(message):
        signature = message[6 : 6 + 256]
        return bytes_field(1, bytes_field(2, signature + bytes(8)) + fixed32_field(3, 256 + more))

    return change


def _whole(text=b"signed by SignApk\0", count=1, digest=hashes.SHA256, signed=bytes, attributes=()):
    """Sign the zip by a CMS of another form."""
    options = [pkcs7.PKCS7Options.DetachedSignature, pkcs7.PKCS7Options.Binary]
    options += [] if attributes else [pkcs7.PKCS7Options.NoAttributes]
    certificate = x509.load_pem_x509_certificate(CERTIFICATE_FILE.read_bytes())

    def sign(data):
        builder = pkcs7.PKCS7SignatureBuilder().set_data(signed(data[:-2]))
        for _ in range(count):
            builder = builder.add_signer(certificate, load_key(), digest())
        cms = builder.sign(serialization.Encoding.DER, options)
        length = len(text) + len(cms) + 6
        footer = struct.pack("<3H", len(cms) + 6, 0xFFFF, length)
        return data[:-2] + struct.pack("<H", length) + text + cms + footer

    return lambda draft: setattr(draft, "signed_by", sign)


SIGNATURE_RULES = {
    "signature-metadata": _rule(
        full,
        _signed(metadata=lambda message: JUNK + message),
        _signed(metadata=lambda _: JUNK),
    ),
    "signature-payload": _rule(
        full,
        _signed(payload=lambda message: JUNK + message),
        _signed(payload=lambda _: JUNK),
    ),
    "signature-count": _rule(
        full,
        _signed(lambda message: JUNK * 15 + message, lambda message: message + JUNK * 15),
        _signed(payload=lambda message: message + JUNK * 16),
    ),
    "signature-padding": _rule(full, _signed(_padded(0), _padded(0)), _signed(_padded(9))),
    "signature-each": _rule(
        full,
        _signed(lambda message: message + bytes_field(1, bytes_field(2, bytes(range(255))))),
        _signed(lambda message: message + bytes_field(1, bytes_field(2, b""))),
        by_signer=True,
    ),
    "signature-file": _rule(full, _whole(), _whole(signed=lambda data: data + b"x")),
    "signature-attributes": _rule(full, _whole(), _whole(attributes=True)),
    "signature-digest": _rule(full, _whole(), _whole(digest=hashes.SHA512)),
    "signature-signers": _rule(full, _whole(count=1), _whole(count=2), by_signer=True),
    "signature-comment": _rule(
        full,
        _whole(b"signed by " + b"x" * 40 + b"\0"),
        _whole(b"signed by " + b"x" * 41 + b"\0"),
        by_signer=True,
    ),
}
RULES = CONTAINER | METADATA_RULES | PROPERTY_RULES | MANIFEST_RULES | SIGNATURE_RULES
