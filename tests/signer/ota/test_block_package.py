from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.block import NEW_DATA, UPDATE_BINARY, block_members, build_block_zip
from fixtures.catalogue import Package, find_build
from fixtures.hostile_block import hostile_blocks
from fixtures.ota_writer import METADATA, METADATA_PB
from fixtures.repack import sealed, with_member
from fixtures.zip_writer import DEFLATED
from signer.ota.block_package import TransferFacts, check_transfer_list
from signer.ota.errors import OtaError, PayloadError
from signer.ota.inspect import inspect_ota
from signer.ota.summary import Signed
from signer.ota.transfer_list import TransferCaps, TransferList, decode_transfer_list
from tests.cases import case

TARGET, SOURCE = find_build("armani", "id", 2), find_build("armani", "id", 1)
FULL, STEP = Package(TARGET), Package(TARGET, SOURCE)
IMAGE_SIZE = 448 << 10
# A part of the message, by the name of the hostile package.
FAULTS = {
    "no-update-binary": "no META-INF/com/google/android/update-binary",
    "no-script": "no META-INF/com/google/android/updater-script",
    "no-list": "no transfer list",
    "no-new-data": "needs system.new.dat or system.new.dat.br, one of the two",
    "patch-data-deflated": "system.patch.dat is compressed in the zip",
    "no-patch-data": "no system.patch.dat",
    "new-data-twice": "needs system.new.dat or system.new.dat.br, one of the two",
    "new-data-short": "bytes of new data, and new.dat has",
    "new-data-flipped": "whole-file signature is not by the given certificate",
    "new-data-grows": "bytes of new data, and new.dat has",
    "with-payload": "says BLOCK, and the package has a payload.bin",
    "script-uses-nothing": "does not use system.transfer.list",
    "script-uses-missing": "uses 'boom.img', which is not in the package",
    "lists-of-two-versions": "have different versions",
    "brotli-longer": "system.new.dat.br does not unpack to the new data",
    "brotli-shorter": "system.new.dat.br does not unpack to the new data",
    "brotli-followed": "system.new.dat.br does not unpack to the new data",
    "brotli-noise": "system.new.dat.br does not unpack to the new data",
    "no-whole-file-signature": "no whole-file signature",
    "list-empty": "Line 1 of a transfer list is not a plain number",
    "list-version-0": "has version 0; 1 to 4 are supported",
    "list-version-5": "has version 5; 1 to 4 are supported",
    "list-version-odd": "Line 1 of a transfer list is not a plain number",
    "list-total-wrong": "blocks and writes",
    "list-total-odd": "Line 2 of a transfer list is not a plain number",
    "list-cut": "Line 3 of a transfer list is not a plain number",
    "command-unknown": "the command 'abort', which is not known",
    "command-upper-case": "the command 'NEW', which is not known",
    "command-with-more": "which is malformed",
    "command-without-ranges": "'new', which is malformed",
    "line-empty": "the command '', which is not known",
    "ranges-descend": "whose ranges do not ascend",
    "ranges-odd": "counts its numbers wrongly",
    "ranges-none": "counts its numbers wrongly",
    "ranges-huge": "names block 99999998, beyond the largest partition",
    "ranges-padded": "is not a set of ranges",
    "block-written-twice": "A new in partition system undoes what was written before",
    "erased-late": "An erase in partition system undoes what was written before",
    "block-read-late": "A stash in partition system reads a block that was written over",
    "stash-empty": "A move in partition system needs stash",
    "stash-freed-before": "A move in partition system needs stash",
    "stash-id-odd": "which is malformed",
    "move-counts-differ": "A move in partition system reads and writes different numbers",
    "move-hash-odd": "which is malformed",
    "patch-beyond": "patch of a bsdiff in partition system lies beyond the end of patch.dat",
    "patch-empty": "patch of a bsdiff in partition system lies beyond the end of patch.dat",
    "source-count-wrong": "which is malformed",
    "full-reads": "says that it is full, and its transfer list of system reads old blocks",
    "metadata-disagree": "disagree about fingerprint",
    "offset-wrong": "ota-property-files says metadata is",
    "device-other": "disagree about devices",
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where a test may write a package."""
    return tmp_path / "armani-block.zip"


def test_facts_of_full_package(path: Path, certificate: bytes) -> None:
    """The facts are those of the catalogue; the partition's size and commands are counted."""
    path.write_bytes(build_block_zip(FULL, compressed=True))
    facts = inspect_ota(path, certificate=certificate, codename="armani")
    assert (facts.ota_type, facts.type, facts.transfer_version) == ("BLOCK", "full", 4)
    assert facts.fingerprint == TARGET.fingerprint
    assert facts.post_timestamp == 1778464800  # 2026-05-11T02:00:00Z
    assert facts.security_patch_level == "2026-05-05"
    assert facts.signed == Signed(payload=False, whole_file=True)
    assert facts.payload_properties == {}
    assert facts.streaming_property_files == ""
    assert facts.property_files.startswith("metadata:")
    (system,) = facts.partitions
    assert (system.name, system.size, system.sha256) == ("system", IMAGE_SIZE, "")
    assert system.operations["erase"] == 1
    assert set(system.operations) == {"erase", "new", "zero"}


def test_incremental_of_each_transfer_version(path: Path, certificate: bytes) -> None:
    """Each version of the transfer list is read, and its commands are counted by name."""
    for version in (1, 2, 3, 4):
        path.write_bytes(build_block_zip(STEP, version=version))
        facts = inspect_ota(path, certificate=certificate, codename="armani")
        assert (facts.type, facts.transfer_version) == ("incremental", version)
        assert facts.source_builds == (SOURCE.fingerprint,)
        commands = Counter(facts.partitions[0].operations)
        assert {"move", "bsdiff", "new"} <= set(commands)
        assert bool(commands["stash"]) == bool(commands["free"]) == (version >= 2)


def test_deflated_entries(path: Path) -> None:
    """The zip may compress large entries; size and checksum are those of the unpacked data."""
    members = [
        replace(each, method=DEFLATED) if each.name in {NEW_DATA, UPDATE_BINARY} else each
        for each in block_members(STEP)
    ]
    path.write_bytes(sealed(members))
    assert inspect_ota(path).type == "incremental"
    broken = [replace(each, claimed_crc=1) if each.name == NEW_DATA else each for each in members]
    path.write_bytes(sealed(broken))
    with pytest.raises(OtaError, match=r"system\.new\.dat do not match the zip's size"):
        inspect_ota(path)


def test_package_without_newer_metadata(path: Path) -> None:
    """Packages before Android 8 have no metadata.pb, no patch level and no property files."""
    members = block_members(FULL)
    old = (
        b"ota-required-cache=0\nota-type=BLOCK\n"
        b"post-build=Brand/prod/armani:5/ID/2:user/release-keys\n"
        b"post-timestamp=1420070400\npre-device=armani\n"
    )
    members = [each for each in members if each.name != METADATA_PB]
    path.write_bytes(sealed(with_member(members, METADATA, old)))
    facts = inspect_ota(path)
    assert (facts.incremental, facts.security_patch_level, facts.sdk_level) == ("", "", 0)
    assert facts.property_files == ""
    assert not facts.has_metadata_pb


def test_hostile_packages_are_refused(path, certificate):
    """Each hostile package is refused with one sentence about its fault."""
    hostile = hostile_blocks(TARGET, SOURCE)
    assert hostile.keys() == FAULTS.keys()
    for name in sorted(FAULTS):
        with case(name):
            path.write_bytes(hostile[name])
            with pytest.raises(OtaError) as caught:
                inspect_ota(path, certificate=certificate, codename="armani")
            sentence = str(caught.value)
            assert FAULTS[name] in sentence
            assert sentence.endswith(".")
            assert "\n" not in sentence


A = "a" * 40


def _list(total: int, *lines: str) -> TransferList:
    return decode_transfer_list("\n".join(["4", str(total), "1", "2", *lines]).encode())


def _check(total: int, *lines: str, new: int | None = 0, patch: int = 0) -> TransferFacts:
    return check_transfer_list(_list(total, *lines), "vendor", new, patch, TransferCaps())


def test_transfer_list_is_accepted() -> None:
    """The partition's size is the highest block that is written."""
    _check(
        7,
        f"stash {A} 2,0,2",
        f"move {A} 2,0,2 2 2,4,6",
        f"bsdiff 3 7 {A} {A} 2,2,3 2 - {A}:2,0,2",
        f"free {A}",
        "new 2,4,6",
        "zero 4,6,7,9,10",
        f"compute_hash_tree 2,7,8 2,0,7 sha256 {A} {A}",
        "erase 2,20,30",
        new=8192,
        patch=10,
    )
    _check(2, "new 2,0,2", new=None)
    assert _check(1, "zero 2,0,1", "erase 2,5,9").size == 9 * 4096
    assert _check(0).size == 0
    facts = _check(3, "new 2,0,2", "zero 2,2,3", new=8192)
    assert (facts.version, facts.new_data_size, facts.reads) == (4, 8192, False)
    assert facts.commands == {"new": 1, "zero": 1}
    assert _check(0, f"stash {A} 2,0,2").reads


def test_transfer_list_is_refused() -> None:
    """The message names the fault; other faults are among the hostile packages."""
    for lines, fault in (
        (("erase 2,0,2", f"stash {A} 2,1,2"), "reads a block that was erased"),
        ((f"stash {A} 2,4,6", f"free {A}", f"free {A}"), f"A free .* needs stash {A}"),
        ((f"imgdiff 0 0 {A} {A} 2,0,2 2 2,4,6",), "patch of an? imgdiff .* beyond the end"),
        (("zero 2,0,2", f"compute_hash_tree 2,1,2 2,0,1 sha1 {A} {A}"), "undoes what was written"),
    ):
        with case(lines), pytest.raises(PayloadError, match=fault):
            _check(2, *lines)
    lines = [f"stash {A} 2,0,16777216"] * 4
    assert _check(0, *lines).reads
    with pytest.raises(PayloadError, match="partition vendor names its blocks too often"):
        _check(0, *lines, f"stash {A} 2,0,1")
