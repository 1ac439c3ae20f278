"""Changes each byte of small packages; an undetected change must be on a list with a reason."""

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.catalogue import find_build
from fixtures.golden import build_golden, build_golden_block
from signer.ota.errors import OtaError
from signer.ota.inspect import inspect_ota

TARGET = find_build("armani", "id", 2)
GOLDEN, GOLDEN_BLOCK = build_golden(TARGET), build_golden_block(TARGET)
# A region has a name, start, end, and the reason why a change in it may stay undetected.
Region = tuple[str, int, int, str]


def _comment(golden: bytes) -> int:
    return golden.index(b"signed by SignApk\0")


def _records(golden: bytes, magic: bytes) -> list[int]:
    return [match.start() for match in re.finditer(re.escape(magic), golden[: _comment(golden)])]


def _signer_text(golden: bytes) -> Iterator[Region]:
    yield (
        "signer's name",
        _comment(golden) + len("signed by "),
        _comment(golden) + len("signed by SignApk"),
        "the text before the signature names a program; it is not read, and it cannot be signed",
    )


def _unsigned_regions(golden: bytes) -> Iterator[Region]:
    """Yield the regions that no checksum covers, so that only the signature protects them."""
    yield from _signer_text(golden)
    # Zip readers use names, methods, sizes, offsets and checksums of the headers and ignore the
    # rest; a phone reads payload.bin at the offset in the release, and no header.
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


def _undetected(path: Path, certificate: bytes, golden: bytes) -> tuple[set[int], set[int]]:
    """Return where a byte may change without a refusal: without the certificate, and with it.

    All bits of each byte are flipped without it. With it, the lowest bit of every second byte is
    flipped, and all bits of bytes whose change was not detected, because a certificate only adds
    checks.
    """
    path.write_bytes(golden)
    alone, asked, named = set(), set(), _offsets(_signer_text(golden))

    def is_taken(at: int, mask: int, certificate: bytes | None) -> bool:
        os.pwrite(handle, bytes([golden[at] ^ mask]), at)
        with contextlib.suppress(OtaError):
            inspect_ota(path, certificate=certificate, codename="armani")
            return True
        return False

    handle = os.open(path, os.O_WRONLY)
    try:
        for at in range(len(golden)):
            if is_taken(at, 0x01 if at in named else 0xFF, None):
                alone.add(at)
            low = at % 2 or at in named
            if (low or at in alone) and is_taken(at, 0x01 if low else 0xFF, certificate):
                asked.add(at)
            os.pwrite(handle, golden[at : at + 1], at)
    finally:
        os.close(handle)
    assert path.read_bytes() == golden
    return alone, asked


def _offsets(regions: Iterator[Region]) -> set[int]:
    return {at for _, start, stop, _ in regions for at in range(start, stop)}


def test_golden_package(tmp_path: Path, certificate: bytes) -> None:
    """The package is accepted; it has five entries and one partition."""
    path = tmp_path / "golden.zip"
    path.write_bytes(GOLDEN)
    facts = inspect_ota(path, certificate=certificate, codename="armani")
    assert len(GOLDEN) < 6000
    assert [each.size for each in facts.partitions] == [4096]
    assert len(_records(GOLDEN, b"PK\x03\x04")) == len(_records(GOLDEN, b"PK\x01\x02")) == 5


@pytest.mark.parametrize("golden", [GOLDEN, GOLDEN_BLOCK], ids=["AB", "BLOCK"])
def test_changed_byte_is_detected(golden: bytes, tmp_path: Path, certificate: bytes) -> None:
    """With the certificate only the signer's name may change, and must stay printable.

    Without it exactly the listed regions may change.
    """
    path = tmp_path / "golden.zip"
    alone, asked = _undetected(path, certificate, golden)
    assert alone == _offsets(_unsigned_regions(golden))
    assert asked == _offsets(_signer_text(golden))
    for at in asked:  # inverted, no byte of the name is printable
        path.write_bytes(golden[:at] + bytes([golden[at] ^ 0xFF]) + golden[at + 1 :])
        with pytest.raises(OtaError):
            inspect_ota(path, certificate=certificate, codename="armani")
