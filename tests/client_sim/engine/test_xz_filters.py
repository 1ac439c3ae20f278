import lzma
import zlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from client_sim.engine.decompression import check_filters
from client_sim.engine.errors import PackageError
from tests.cases import case

LZMA2 = {"id": lzma.FILTER_LZMA2}
DATA = bytes(range(256)) * 64


def _xz(*filters):
    return lzma.compress(DATA, check=lzma.CHECK_CRC32, filters=[*filters, LZMA2])


def _branch(name, **options):
    return {"id": getattr(lzma, f"FILTER_{name}"), **options}


TAKEN = [(), *[(_branch(name),) for name in ("X86", "ARM", "ARMTHUMB")]]
REFUSED = [
    (_branch("DELTA"),),
    *[(_branch(name),) for name in ("POWERPC", "IA64", "SPARC")],
    (_branch("X86", start_offset=16),),
    (_branch("X86"), _branch("ARM")),
]


def _crc(data):
    return zlib.crc32(data).to_bytes(4, "little")


def _one_after_the_other(first, second):
    """Return one stream with the blocks of two streams of one block each."""
    blocks, records = b"", b""
    for stream in (first, second):
        size = 4 * (int.from_bytes(stream[-8:-4], "little") + 1)
        index = stream[-12 - size : -12]
        blocks += stream[12 : -12 - size]
        records += index[2:-4].rstrip(b"\0")
    index = b"\0\2" + records
    index += bytes(-len(index) % 4)
    index += _crc(index)
    backward = (len(index) // 4 - 1).to_bytes(4, "little") + first[6:8]
    return first[:12] + blocks + index + _crc(backward) + backward + b"YZ"


def test_filters_that_phones_know():
    """LZMA2 alone, or behind one branch filter of AOSP's decoder, from its start."""
    for filters in TAKEN:
        with case(filters):
            check_filters(_xz(*filters))
            check_filters(bytearray(_xz(*filters)))
    for filters in REFUSED:
        with case(filters), pytest.raises(PackageError, match="a filter that phones do not know"):
            check_filters(_xz(*filters))


def test_every_block_is_looked_at():
    """A stream may have several, each with its own filters."""
    good, bad = _xz(), _xz(_branch("DELTA"))
    two = _one_after_the_other(good, good)
    assert lzma.decompress(two) == DATA * 2
    check_filters(two)
    for stream in (_one_after_the_other(good, bad), _one_after_the_other(bad, good)):
        assert lzma.decompress(stream) == DATA * 2
        with pytest.raises(PackageError, match="uses a filter"):
            check_filters(stream)


@given(st.binary(max_size=80), st.integers(0, 80))
@example(b"", 0)
def test_any_bytes_are_looked_at_or_refused(data, at):
    """There is no other error."""
    encoded = _xz()
    for each in (data, encoded[:at] + data + encoded[at:], encoded[:-at]):
        try:
            check_filters(each)
        except PackageError:
            continue
