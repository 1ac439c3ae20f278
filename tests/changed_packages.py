"""A strategy that changes a valid package in one to three places of its zip, metadata or manifest.

Every package that the signer accepts must be accepted by phones. Protobuf's own library, zipfile,
unzip and the signer must read the same content from it.
"""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from fixtures.ota_writer import METADATA, METADATA_PB, PAYLOAD, PROPERTIES
from fixtures.protobuf_writer import encode_varint
from fixtures.zip_writer import DEFLATED, STORED, Member
from signer.ota.container import load_container, load_entry
from signer.ota.manifest import decode_manifest
from signer.ota.metadata import decode_pb, decode_text
from tests.package_drafts import BYTES, FIXED32, FIXED64, VARINT, encode, full, seal, step
from tests.package_judges import ask_phone_rules, ask_signer
from tests.package_readers import parse, read_by_signer, read_by_unzip, read_by_zipfile

NUMBERS = (0, 1, 2, 3, 4, 5, 9, 10, 14, 255, 512, 4095, 4096, 4097, 1 << 14, 1 << 31, (1 << 32) - 1)
NUMBERS += (1 << 32, (1 << 32) + 4096, 1 << 53, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)
TEXTS = (
    "",
    "armani",
    "dior",
    "product",
    "Product",
    "AB",
    "yes",
    "no",
    "1",
    "2026-02-29",
    "x" * 129,
)
TEXTS += ("a|b", "armani|dior", "\x00", "\xe9", " ", "x/", "9007199254740992", "=", "\r")
NAMES = ("x", "x/", "a/b", "META-INF/x", "payload.bin/", "Payload.bin", "x.", "x ", "aux", "x;1")
NAMES += ("../x", "metadata", "a:b", "\\x", "~", "META-INF/com/android/Metadata")
EXTRAS = (b"", b"\0", b"\0" * 4, bytes.fromhex("35d902000000"), bytes.fromhex("feca0000"))
EXTRAS += (
    bytes.fromhex("0100100001000000000000000100000000000000"),
    b"UT\x01\x00\x00",
    b"\0" * 9000,
)
KEYS = ("ota-type", "ota-wipe", "post-build", "post-timestamp", "post-sdk-level", "pre-device")
KEYS += ("pre-build", "pre-build-incremental", "post-build-incremental", "serialno", "x-new")
KEYS += ("post-security-patch-level", "ota-required-cache", "ota-property-files", "spl-downgrade")


class PackageDisagreementError(Exception):
    """One reader accepts the package, and another one refuses it or reads other content."""


@st.composite
def changed_packages(draw):
    """Draw a changed package."""
    draft = draw(st.sampled_from((full, step)))()
    for _ in range(draw(st.sampled_from((1, 1, 1, 2, 3)))):
        match draw(st.integers(0, 9)):
            case 0:
                _change_entry(draw, draft)
            case 1:
                draft.members.append(_member(draw, draw(st.sampled_from(NAMES))))
            case 2:
                _change_line(draw, draft)
            case 3:
                draft.properties[draw(st.sampled_from(("FILE_SIZE", "POWERWASH", "X")))] = draw(
                    st.sampled_from(TEXTS)
                )
            case 4 | 5:
                _change_message(draw, draft.pb)
            case _:
                _change_message(draw, draft.manifest)
    return draft


def _member(draw, name):
    data = draw(st.sampled_from((b"", b"x", b"x" * 999)))
    return Member(name, data, **_lies(draw, draw(st.integers(0, 2))))


def _lies(draw, count):
    choices = {
        "method": (STORED, DEFLATED, 12),
        "flags": (0, 1, 2, 8, 0x800),
        "needed": (10, 20, 45, 46, 63),
        "made_by": (20, 3 << 8 | 20, 7 << 8 | 20),
        "attributes": (0, 0o100644 << 16, 0o40755 << 16 | 16, 0o120777 << 16, 0o104755 << 16, 2),
        "extra": EXTRAS,
        "local_extra": EXTRAS,
        "local_wide": (True,),
        "claimed_size": (0, 1, 999),
        "claimed_crc": (0,),
        "local_name": ("x", "payload.bin"),
        "descriptor": (b"PK\x07\x08" + bytes(12), bytes(12)),
    }
    names = draw(st.lists(st.sampled_from(sorted(choices)), max_size=count, unique=True))
    return {name: draw(st.sampled_from(choices[name])) for name in names}


def _change_entry(draw, draft):
    name = draw(st.sampled_from((PAYLOAD, PROPERTIES, METADATA, METADATA_PB)))
    draft.changes[name] = _lies(draw, 2)


def _change_line(draw, draft):
    key = draw(st.sampled_from(KEYS))
    if draw(st.booleans()):
        draft.texts.pop(key, None)
    else:
        draft.texts[key] = draw(st.sampled_from(TEXTS))


def _change_message(draw, fields):
    """Change one field of a message or of a message nested in it."""
    places = [(holder, index) for holder in _messages(fields) for index in range(len(holder))]
    holder, index = draw(st.sampled_from(places))
    number, wire, value = holder[index]
    match draw(st.integers(0, 6)):
        case 0:
            del holder[index]
        case 1:
            holder.append(holder[index])
        case 2:
            holder[index] = [
                number,
                draw(st.sampled_from((VARINT, FIXED64, BYTES, FIXED32))),
                value,
            ]
            _fit(holder[index])
        case 3:
            holder[index] = [draw(st.integers(1, 21)), wire, value]
        case 4:
            holder.append([draw(st.integers(1, 21)), VARINT, draw(st.sampled_from(NUMBERS))])
        case 5 if isinstance(value, int):
            # The number in a longer encoding.
            raw = encode_varint(value)
            holder[index] = encode_varint(number << 3) + raw[:-1] + bytes((raw[-1] | 0x80, 0))
        case _ if isinstance(value, int):
            holder[index] = [number, wire, draw(st.sampled_from(NUMBERS))]
        case _ if not isinstance(value, list):
            holder[index] = [number, wire, draw(st.sampled_from(TEXTS) | st.binary(max_size=33))]
        case _:
            holder.insert(0, holder.pop(index))


def _fit(each):
    """Return a value that the field's wire type can hold."""
    _, wire, value = each
    if wire == BYTES and isinstance(value, int):
        each[2] = encode_varint(value)
    elif wire != BYTES and not isinstance(value, int):
        each[2] = 1
    elif wire in {FIXED32, FIXED64}:
        each[2] = value & 0xFFFFFFFF


def _messages(fields):
    """Yield a message and all messages nested in it."""
    fields[:] = [each for each in fields if not isinstance(each, bytes)] or fields
    yield [] if any(isinstance(each, bytes) for each in fields) else fields
    for each in fields:
        if isinstance(each, list) and isinstance(each[2], list) and each[2]:
            yield from _messages(each[2])


def check_readers(draft, folder):
    """Return whether the signer accepts a package.

    Raises PackageDisagreementError if readers disagree.
    """
    sealed = seal(draft)
    refusal, facts = ask_signer(sealed, folder)
    if refusal is not None:
        if not refusal.endswith(".") or len(refusal) > 300:
            raise PackageDisagreementError(f"this is no sentence: {refusal}")
        return False
    # The signer does not know which partitions phones have.
    partitions = [each.name for each in facts.partitions]
    if (phone := ask_phone_rules(sealed, folder, partitions)) is not None:
        raise PackageDisagreementError(f"the signer takes what a phone refuses: {phone}")
    ours = read_by_signer(sealed.data)
    if read_by_zipfile(sealed.data) != ours:
        raise PackageDisagreementError("zipfile sees another zip")
    if shutil.which("unzip") and _files(
        read_by_unzip(folder / "package.zip", folder / "unzip")
    ) != (_files(ours)):
        raise PackageDisagreementError("unzip sees another zip")
    try:
        _compare(sealed.data, encode(draft.manifest))
    except (DecodeError, ValueError) as error:
        raise PackageDisagreementError(f"protobuf does not read it: {error}") from error
    return True


def _files(entries):
    """Return entries without folders, which unzip also makes for the files in them."""
    return {name: digest for name, digest in entries.items() if not name.endswith("/")}


def _compare(data, raw):
    """Compare the manifest and metadata.pb as the signer and protobuf's library read them."""
    ours, theirs = decode_manifest(raw), parse("DeltaArchiveManifest", raw)
    found = {"manifest": (_show_ours(ours), _show_theirs(theirs)), "metadata.pb": _metadata(data)}
    for name, (mine, other) in found.items():
        if mine != other:
            raise PackageDisagreementError(f"protobuf sees another {name}: {mine} and {other}")


def _show_ours(manifest):
    return (
        *(manifest.block_size, manifest.minor_version, manifest.max_timestamp),
        *(manifest.security_patch_level, manifest.partial_update),
        *(manifest.signatures_offset or 0, manifest.signatures_size),
        [
            (
                part.name,
                part.version,
                [(info.size, info.digest) if info else (0, b"") for info in (part.old, part.new)],
                [
                    (
                        *(each.type, each.data_offset, each.data_length),
                        [(extent.start, extent.count) for extent in each.sources],
                        [(extent.start, extent.count) for extent in each.targets],
                        *(each.data_hash, each.source_hash),
                        *(each.source_length or 0, each.target_length or 0),
                    )
                    for each in part.operations
                ],
            )
            for part in manifest.partitions
        ],
    )


def _show_theirs(manifest):
    return (
        *(manifest.block_size or 4096, manifest.minor_version, manifest.max_timestamp),
        *(manifest.security_patch_level, manifest.partial_update),
        *(manifest.signatures_offset, manifest.signatures_size),
        [
            (
                part.partition_name,
                part.version,
                [(i.size, i.hash) for i in (part.old_partition_info, part.new_partition_info)],
                [
                    (
                        *(each.type, each.data_offset, each.data_length),
                        [(extent.start_block, extent.num_blocks) for extent in each.src_extents],
                        [(extent.start_block, extent.num_blocks) for extent in each.dst_extents],
                        *(each.data_sha256_hash, each.src_sha256_hash),
                        *(each.src_length, each.dst_length),
                    )
                    for each in part.operations
                ],
            )
            for part in manifest.partitions
        ],
    )


def _metadata(data):
    """Return the signer's reading of the text, and protobuf's reading of metadata.pb."""
    with tempfile.TemporaryFile() as stream:
        stream.write(data)
        container = load_container(stream, len(data))
        text = decode_text(load_entry(stream, container.entry(METADATA), 1 << 16))
        raw = load_entry(stream, container.entry(METADATA_PB), 1 << 20)
    theirs = parse("OtaMetadata", raw)
    before, after = theirs.precondition, theirs.postcondition
    assert decode_pb(raw) == text
    return (
        *(text.devices, text.source_builds, text.source_incrementals),
        *((text.fingerprint,), text.incremental, text.post_timestamp, text.sdk_level),
        *(text.security_patch_level, text.wipe, text.downgrade, text.spl_downgrade),
        *(text.required_cache, dict(text.property_files), text.devices),
    ), (
        *(tuple(before.device), tuple(before.build)),
        tuple(before.build_incremental.split("|")) if before.build_incremental else (),
        *(tuple(after.build), after.build_incremental, after.timestamp, int(after.sdk_level)),
        *(after.security_patch_level, theirs.wipe, theirs.downgrade, theirs.spl_downgrade),
        theirs.required_cache,
        {pair.key: pair.value.rstrip(" ") for pair in theirs.property_files},
        tuple(after.device) or tuple(before.device),
    )


@given(changed_packages())
def _check_any(draft):
    with tempfile.TemporaryDirectory() as folder:
        check_readers(draft, Path(folder))


#: Entry point for a fuzzer, whose bytes decide what is changed in which package; raises as
#: `check_readers` does.
fuzz_packages: Callable[[bytes], object] = _check_any.hypothesis.fuzz_one_input
