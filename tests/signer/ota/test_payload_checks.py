"""Rules for deltas; what full payloads must not do is covered by the hostile packages."""

from dataclasses import replace
from typing import Any

import pytest

from signer.ota.errors import PayloadError
from signer.ota.extents import Extent
from signer.ota.manifest import Manifest, Partition, PartitionInfo
from signer.ota.operation import Operation
from signer.ota.operations import OPERATION_TYPES
from signer.ota.packed_operations import PackedOperations
from signer.ota.payload_checks import check_manifest, operations_with_data

HASH = b"h" * 32
NUMBERS = {each.name: number for number, each in OPERATION_TYPES.items()}


def _operation(name: str, start: int, count: int, at: int = 0, length: int = 0) -> Operation:
    known = OPERATION_TYPES[NUMBERS[name]]
    return Operation(
        type=known.number,
        data_offset=at,
        data_length=length,
        sources=(Extent(start, count),) if known.reads_source else (),
        targets=(Extent(start, count),),
        data_hash=HASH if known.has_data else b"",
        source_hash=HASH if known.reads_source else b"",
        source_length=None,
        target_length=None,
    )


def _delta(minor: int = 4, *, blobs: int = 30) -> Manifest:
    operations = (
        _operation("SOURCE_COPY", 0, 2),
        _operation("SOURCE_BSDIFF", 2, 2, 0, 10),
        _operation("ZERO", 4, 1),
        _operation("REPLACE_XZ", 5, 1, 10, 20),
    )
    info = PartitionInfo(6 * 4096, HASH)
    partition = Partition("system", info, info, PackedOperations(operations), (), False, "")
    return Manifest(4096, minor, blobs, 267, 1, False, "", (partition,))


def _changed(index: int, **changes: Any) -> Manifest:
    manifest = _delta()
    (partition,) = manifest.partitions
    operations = list(partition.operations)
    operations[index] = replace(operations[index], **changes)
    return replace(
        manifest, partitions=(replace(partition, operations=PackedOperations(operations)),)
    )


def test_a_delta_passes() -> None:
    """Copies, differences, zeros and replacements that fill a partition are good."""
    check_manifest(_delta(), 30 + 267)
    kinds = [operation.name for _, operation in operations_with_data(_delta())]
    assert kinds == ["SOURCE_BSDIFF", "REPLACE_XZ"]


@pytest.mark.parametrize(
    ("name", "minor"),
    [
        ("ZERO", 3),
        ("BROTLI_BSDIFF", 3),
        ("DISCARD", 3),
        ("PUFFDIFF", 4),
        ("ZUCCHINI", 7),
        ("LZ4DIFF_BSDIFF", 8),
        ("LZ4DIFF_PUFFDIFF", 8),
    ],
)
def test_types_need_their_minor_version(name: str, minor: int) -> None:
    """An operation is refused in the last minor version before it, and taken in the next."""
    has_data = OPERATION_TYPES[NUMBERS[name]].has_data
    first = _operation(name, 0, 6, 0, 30 if has_data else 0)
    manifest = _delta(minor)
    partition = replace(manifest.partitions[0], operations=PackedOperations([first]))
    blobs = 30 if has_data else 0
    manifest = replace(manifest, partitions=(partition,), signatures_offset=blobs)
    with pytest.raises(PayloadError, match=f"{name} in partition system which needs minor"):
        check_manifest(manifest, blobs + 267)
    check_manifest(replace(manifest, minor_version=minor + 1), blobs + 267)


@pytest.mark.parametrize("minor", [0, 1])
def test_deltas_need_minor_version_2(minor: int) -> None:
    """A delta of a version before source slots is refused."""
    with pytest.raises(PayloadError, match=f"delta and has minor version {minor}"):
        check_manifest(_delta(minor), 297)


def test_newer_minor_versions_pass() -> None:
    """A version of the future is no fault of the package; known operations keep their rules."""
    check_manifest(_delta(10), 297)
    with pytest.raises(PayloadError, match="reads beyond the old content"):
        check_manifest(replace(_changed(0, sources=(Extent(5, 2),)), minor_version=10), 297)


def test_unknown_operations_pass() -> None:
    """What they read and write nobody can say; but not beyond the partition or the data."""
    check_manifest(_changed(0, type=27), 297)
    check_manifest(_changed(0, type=27, targets=(), sources=()), 297)
    with pytest.raises(PayloadError, match="writes beyond the end of partition system"):
        check_manifest(_changed(0, type=27, targets=(Extent(6, 1),)), 297)
    with pytest.raises(PayloadError, match="lies beyond the end of the payload"):
        check_manifest(_changed(0, type=27, data_length=400), 297)


@pytest.mark.parametrize("name", ["MOVE", "BSDIFF"])
def test_in_place_types_are_refused(name: str) -> None:
    """Updates in place belong to devices without slots."""
    with pytest.raises(PayloadError, match=f"has a {name} in partition system which updates in"):
        check_manifest(_changed(0, type=NUMBERS[name]), 297)


@pytest.mark.parametrize(
    ("index", "changes", "fault"),
    [
        (0, {"sources": (Extent(5, 2),)}, "reads beyond the old content"),
        (0, {"sources": (Extent(0, 1),)}, "different numbers of blocks"),
        (0, {"sources": ()}, "wrong source"),
        (0, {"source_hash": b""}, "without a source hash"),
        (0, {"source_length": 4096}, "another length than its extents"),
        (0, {"target_length": 8191}, "another length than its extents"),
        (1, {"data_length": 0}, "wrong data"),
        (2, {"sources": (Extent(0, 1),)}, "wrong source"),
        (2, {"data_length": 5}, "wrong data"),
        (3, {"data_offset": 0}, "does not follow"),
        (3, {"data_length": 19}, "belong to no operation"),
        (3, {"targets": (Extent(4, 1),)}, "writes a block of partition system twice"),
    ],
)
def test_operations_that_are_refused(index: int, changes: dict[str, Any], fault: str) -> None:
    """Each rule about source, target and data is refused by what is broken."""
    with pytest.raises(PayloadError, match=fault):
        check_manifest(_changed(index, **changes), 297)


def test_lengths_are_those_of_the_extents() -> None:
    """A stated length is the size of the extents."""
    check_manifest(_changed(0, source_length=8192, target_length=8192), 297)


def test_old_versions_have_no_source_hash() -> None:
    """Before minor version 3 an operation may leave out what it expects in the source."""
    copy = replace(_operation("SOURCE_COPY", 0, 6), source_hash=b"")
    partition = replace(_delta().partitions[0], operations=PackedOperations([copy]))
    manifest = replace(_delta(2), partitions=(partition,), signatures_offset=0)
    check_manifest(manifest, 267)
    with pytest.raises(PayloadError, match="without a source hash"):
        check_manifest(replace(manifest, minor_version=3), 267)


def test_what_the_device_writes_itself_counts() -> None:
    """Hash tree and error correction are made by the device, so no operation writes them."""
    manifest = _delta(6)
    (partition,) = manifest.partitions
    info = PartitionInfo(8 * 4096, HASH)
    larger = replace(partition, new=info)
    with pytest.raises(PayloadError, match="leaves blocks of partition system unwritten"):
        check_manifest(replace(manifest, partitions=(larger,)), 297)
    complete = replace(larger, written_by_device=(Extent(6, 1), Extent(7, 1)))
    check_manifest(replace(manifest, partitions=(complete,)), 297)


def test_reading_needs_old_content() -> None:
    """A partition without old content cannot be read from."""
    manifest = _delta()
    other = replace(manifest.partitions[0], name="other", old=None)
    with pytest.raises(PayloadError, match="in partition other which has no old one"):
        check_manifest(replace(manifest, partitions=(*manifest.partitions, other)), 297)


@pytest.mark.parametrize("info", [PartitionInfo(0, HASH), PartitionInfo(4096, b"short")])
def test_old_content_must_be_described(info: PartitionInfo) -> None:
    """Size and hash of the old content are checked like those of the new."""
    manifest = _delta()
    partition = replace(manifest.partitions[0], old=info)
    with pytest.raises(PayloadError, match="no proper size and hash"):
        check_manifest(replace(manifest, partitions=(partition,)), 297)


def test_unsigned_payloads_end_with_their_data() -> None:
    """Without a signature the data fill the payload, and no signature size may be given."""
    unsigned = replace(_delta(), signatures_offset=None, signatures_size=0)
    check_manifest(unsigned, 30)
    with pytest.raises(PayloadError, match="belong to no operation"):
        check_manifest(unsigned, 31)
    with pytest.raises(PayloadError, match="a size and no place"):
        check_manifest(replace(unsigned, signatures_size=267), 30)
