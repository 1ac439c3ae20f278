import bz2
import lzma
import struct

import pytest

from signer.ota.data_heads import HEAD, find_fault
from signer.ota.extents import Extent
from signer.ota.operation import Operation

SIZE = 2 * 4096
DATA = bytes(range(256)) * 32
LZMA2 = {"id": lzma.FILTER_LZMA2}
X86, ARM, THUMB, DELTA = (
    {"id": getattr(lzma, f"FILTER_{name}")} for name in ("X86", "ARM", "ARMTHUMB", "DELTA")
)


def _xz(*filters, check=lzma.CHECK_NONE):
    return lzma.compress(DATA, check=check, filters=[*filters, LZMA2])


def _patch(magic, size=SIZE):
    return magic + struct.pack("<3Q", 1, 2, size)


GOOD = [
    (0, b"anything"),
    (1, bz2.compress(DATA)),
    (1, bz2.compress(DATA, 1)),
    (8, _xz()),
    (8, _xz(check=lzma.CHECK_CRC32)),
    *[(8, _xz(each)) for each in (X86, ARM, THUMB)],
    (5, _patch(b"BSDIFF40")),
    (5, _patch(b"BSDF2\0\1\2")),
    (10, _patch(b"BSDF2\2\2\2")),
    (9, b"puff"),
]
BAD = [
    (1, b"", "no bzip2 stream"),
    (1, b"BZh0", "no bzip2 stream"),
    (1, _xz(), "no bzip2 stream"),
    (8, bz2.compress(DATA), "no xz stream"),
    (8, _xz()[:12], "no xz stream"),
    (8, _xz()[:14], "no xz stream"),
    (8, lzma.compress(DATA, lzma.FORMAT_ALONE), "no xz stream"),
    (8, _xz(check=lzma.CHECK_CRC64), "another check"),
    (8, _xz(check=lzma.CHECK_SHA256), "another check"),
    (8, _xz(DELTA), "another filter"),
    (8, _xz(X86, ARM), "another filter"),
    (8, _xz(X86 | {"start_offset": 16}), "another filter"),
    (5, _patch(b"BSDIFF41"), "no patch"),
    (5, _patch(b"BSDF2\0\1\3"), "no patch"),
    (5, _patch(b"BSDIFF40")[:-1], "no patch"),
    (5, _patch(b"BSDIFF40", SIZE - 1), "another length than the 8192 bytes"),
    (10, _patch(b"BSDF2\2\2\2", SIZE | 1 << 63), "another length"),
]


def _operation(kind, data):
    return Operation(kind, 0, len(data), (), (Extent(0, 1), Extent(5, 1)), b"", b"", None, None)


@pytest.mark.parametrize(("kind", "data"), GOOD)
def test_data_of_their_type_have_no_fault(kind, data):
    """Those that a phone takes, and types whose data nobody here knows."""
    assert find_fault(_operation(kind, data), data[:HEAD]) == ""


@pytest.mark.parametrize(("kind", "data", "words"), BAD)
def test_other_data_are_named(kind, data, words):
    """Other compressors, checks, filters, patches and lengths."""
    assert words in find_fault(_operation(kind, data), data[:HEAD])
