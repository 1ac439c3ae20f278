"""Changes every byte of a small whole package: it is noticed, or listed with the reason."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fixtures.catalogue import find_build
from fixtures.golden import build_golden, build_golden_block
from signer.ota.errors import OtaError
from signer.ota.inspect import inspect_ota

TARGET = find_build("armani", "id", 2)
GOLDEN, GOLDEN_BLOCK = build_golden(TARGET), build_golden_block(TARGET)
# A region is a name, where it starts and stops, and why a change in it need not be noticed.
Region = tuple[str, int, int, str]


def _comment(golden: bytes) -> int:
    return golden.index(b"signed by SignApk\0")


def _records(golden: bytes, magic: bytes) -> list[int]:
    return [match.start() for match in re.finditer(re.escape(magic), golden[: _comment(golden)])]


def _signer_text(golden: bytes) -> Iterator[Region]:
    yield (
        "who signed",
        _comment(golden) + len("signed by "),
        _comment(golden) + len("signed by SignApk"),
        "the text before the signature names a program; it is not read, and it cannot be signed",
    )


def _unsigned_regions(golden: bytes) -> Iterator[Region]:
    """Yield what no checksum of the package covers, so that only its signature does."""
    yield from _signer_text(golden)
    # Zip readers take names, methods, sizes, offsets and checksums from the headers and leave the
    # rest alone; a phone reads payload.bin at the offset that the release states, and no header.
    local = "no reader of an update acts on it, and what the entry holds has a checksum"
    for number, at in enumerate(_records(golden, b"PK\x01\x02")):
        yield (f"central {number}: version of its writer", at + 4, at + 5, local)
        yield (f"central {number}: internal attributes", at + 36, at + 38, local)
        yield (f"central {number}: permissions", at + 40, at + 41, local)
    yield (
        "whole-file signature",
        _comment(golden) + len("signed by SignApk\0"),
        len(golden) - 6,
        "a signature cannot be judged without a certificate to check it with",
    )


def _unnoticed(
    path: Path, certificate: bytes | None, mask: Callable[[int], int], golden: bytes
) -> set[int]:
    """Return the offsets at which the byte may be changed without a refusal."""
    path.write_bytes(golden)
    found = set()
    handle = os.open(path, os.O_WRONLY)
    try:
        for at, byte in enumerate(golden):
            os.pwrite(handle, bytes([byte ^ mask(at)]), at)
            try:
                inspect_ota(path, certificate=certificate, codename="armani")
            except OtaError:
                pass
            else:
                found.add(at)
            os.pwrite(handle, bytes([byte]), at)
    finally:
        os.close(handle)
    assert path.read_bytes() == golden
    return found


def _offsets(regions: Iterator[Region]) -> set[int]:
    return {at for _, start, stop, _ in regions for at in range(start, stop)}


def test_the_golden_package_is_good_and_small(tmp_path: Path, certificate: bytes) -> None:
    """It passes as it is; it has five entries, three signatures and one partition."""
    path = tmp_path / "golden.zip"
    path.write_bytes(GOLDEN)
    facts = inspect_ota(path, certificate=certificate, codename="armani")
    assert len(GOLDEN) < 6000
    assert [each.size for each in facts.partitions] == [4096]
    assert len(_records(GOLDEN, b"PK\x03\x04")) == len(_records(GOLDEN, b"PK\x01\x02")) == 5


@pytest.mark.parametrize("golden", [GOLDEN, GOLDEN_BLOCK], ids=["AB", "BLOCK"])
def test_any_changed_byte_is_noticed(golden: bytes, tmp_path: Path, certificate: bytes) -> None:
    """With the certificate only the signer's name may change, and stay printable.

    Of every second byte the lowest bit is flipped, of the others all bits.
    """
    named = _offsets(_signer_text(golden))
    path = tmp_path / "golden.zip"
    found = _unnoticed(
        path, certificate, lambda at: 0x01 if at in named or at % 2 else 0xFF, golden
    )
    assert found == named


def test_an_unprintable_signer_is_noticed(tmp_path: Path, certificate: bytes) -> None:
    """Inverted, no byte of the signer's name is printable."""
    path = tmp_path / "golden.zip"
    for at in _offsets(_signer_text(GOLDEN)):
        path.write_bytes(GOLDEN[:at] + bytes([GOLDEN[at] ^ 0xFF]) + GOLDEN[at + 1 :])
        with pytest.raises(OtaError):
            inspect_ota(path, certificate=certificate, codename="armani")


@pytest.mark.parametrize("golden", [GOLDEN, GOLDEN_BLOCK], ids=["AB", "BLOCK"])
def test_what_only_a_signature_protects(golden: bytes, tmp_path: Path) -> None:
    """Without a certificate exactly the listed regions may be inverted: unread headers."""
    named = _offsets(_signer_text(golden))
    path = tmp_path / "golden.zip"
    found = _unnoticed(path, None, lambda at: 0x01 if at in named else 0xFF, golden)
    assert found == _offsets(_unsigned_regions(golden))
