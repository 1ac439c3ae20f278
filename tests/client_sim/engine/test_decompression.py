import bz2
import hashlib
import lzma
import zlib

import brotli
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from client_sim.engine.decompression import (
    Compression,
    check_filters,
    decompress,
    iter_decompressed,
)
from client_sim.engine.errors import EngineError, PackageError
from tests.cases import case


def _xz(data, check=lzma.CHECK_CRC32):
    return lzma.compress(data, check=check, preset=0)


NOISE = hashlib.shake_256(b"noise").digest(1_200_000)


def _brotli(data):
    return brotli.compress(data, quality=5)


ENCODERS = {Compression.BZ2: bz2.compress, Compression.XZ: _xz, Compression.BROTLI: _brotli}
ALL = {**ENCODERS, Compression.NONE: bytes}


@pytest.mark.parametrize("compression", ALL)
@given(data=st.binary(max_size=5000), piece=st.integers(1, 700))
def test_decompression_in_pieces(compression, data, piece):
    """Data of the real compressors is decompressed in pieces of any size."""
    encoded = ALL[compression](data)
    pieces = [encoded[at : at + piece] for at in range(0, len(encoded), piece)]
    assert b"".join(iter_decompressed(compression, pieces, len(data))) == data


def test_long_output():
    """Output of megabytes, compressible or not, is complete."""
    for compression, encode in ALL.items():
        with case(compression):
            for data in (bytes(2_500_000) + b"end", NOISE):
                encoded = encode(data)
                for step in (max(7, len(encoded) // 100), 10_000_000):
                    pieces = [encoded[at : at + step] for at in range(0, len(encoded), step)]
                    assert b"".join(iter_decompressed(compression, pieces, len(data))) == data


def test_output_comes_in_bounded_pieces():
    """A stream of 12 MB is stopped at the first piece beyond the limit."""
    for compression, encode in ALL.items():
        with case(compression):
            bomb = encode(bytes(12_000_000))
            chunks = [bomb[at : at + 1_000_000] for at in range(0, len(bomb), 1_000_000)]
            stream = iter_decompressed(compression, chunks, 5_000_000)
            seen = []
            with pytest.raises(PackageError, match="more than the 5000000 bytes"):
                seen.extend(len(piece) for piece in stream)
            assert max(seen, default=0) <= 2 * 1024 * 1024
            assert 2_000_000 < sum(seen) <= 5_000_000


def test_end_of_a_stream():
    """The limit is exact; a stream without its end or with trailing bytes is refused."""
    for compression, encode in ENCODERS.items():
        encoded, long = encode(b"four"), encode(b"hello" * 100)
        assert decompress(compression, encoded, 4) == b"four"
        for chunks, limit in (
            ([encoded], 3),
            ([encoded, b"more"], 1000),
            ([encoded + b"more"], 1000),
            *(([long[:size]], 1000) for size in (0, 1, -9, -1)),
        ):
            with case(compression, chunks, limit), pytest.raises(PackageError):
                list(iter_decompressed(compression, chunks, limit))
    with pytest.raises(PackageError):
        decompress(Compression.NONE, b"four", 3)


def test_xz_integrity_checks():
    """Phones' xz decoder knows no check and CRC32; streams with others are refused."""
    for check in (lzma.CHECK_NONE, lzma.CHECK_CRC32):
        assert decompress(Compression.XZ, _xz(b"hello", check), 5) == b"hello"
    for check in (lzma.CHECK_CRC64, lzma.CHECK_SHA256):
        with pytest.raises(PackageError, match="integrity check"):
            decompress(Compression.XZ, _xz(b"hello", check), 5)


def test_xz_dictionary_limit():
    """A dictionary above 64 MiB is refused before it is allocated."""
    encoded = _xz(b"hello", lzma.CHECK_NONE)

    def want(size_code):
        # The block header follows the 12-byte stream header; its fifth byte is the dictionary
        # size, 2 << (code / 2 + 11) for even codes, and a CRC32 closes it.
        block = encoded[12:16] + bytes([size_code]) + encoded[17:20]
        return encoded[:12] + block + zlib.crc32(block).to_bytes(4, "little") + encoded[24:]

    for size_code in (24, 28):
        assert decompress(Compression.XZ, want(size_code), 5) == b"hello"
    for size_code in (30, 36):
        with pytest.raises(PackageError):
            decompress(Compression.XZ, want(size_code), 5)


@pytest.mark.parametrize("compression", ENCODERS)
@given(data=st.data())
def test_damaged_streams_give_only_engine_errors(compression, data):
    """Arbitrary and flipped bytes give an `EngineError` or bounded output."""
    encoded = bytearray(ENCODERS[compression](b"the quick brown fox" * 20))
    at = data.draw(st.integers(0, len(encoded) - 1))
    encoded[at] = data.draw(st.integers(0, 255))
    for candidate in (bytes(encoded), data.draw(st.binary(max_size=100))):
        try:
            assert len(decompress(compression, candidate, 1000)) <= 1000
        except EngineError:
            continue


LZMA2 = {"id": lzma.FILTER_LZMA2, "preset": 0}
DATA = bytes(range(256)) * 64


def _filtered(*filters):
    return lzma.compress(DATA, check=lzma.CHECK_CRC32, filters=[*filters, LZMA2])


def _branch(name, **options):
    return {"id": getattr(lzma, f"FILTER_{name}"), **options}


ACCEPTED = [(), *[(_branch(name),) for name in ("X86", "ARM", "ARMTHUMB")]]
REFUSED = [
    (_branch("DELTA"),),
    *[(_branch(name),) for name in ("POWERPC", "IA64", "SPARC")],
    (_branch("X86", start_offset=16),),
    (_branch("X86"), _branch("ARM")),
]


def _crc(data):
    return zlib.crc32(data).to_bytes(4, "little")


def _join_streams(first, second):
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


def test_xz_filters():
    """LZMA2 is accepted, alone or after one branch filter that AOSP's decoder knows."""
    for filters in ACCEPTED:
        with case(filters):
            check_filters(_filtered(*filters))
            check_filters(bytearray(_filtered(*filters)))
    for filters in REFUSED:
        with case(filters), pytest.raises(PackageError, match="a filter that phones do not know"):
            check_filters(_filtered(*filters))


def test_filters_of_each_block_are_checked():
    """Each block of a stream has its own filters."""
    good, bad = _filtered(), _filtered(_branch("DELTA"))
    two = _join_streams(good, good)
    assert lzma.decompress(two) == DATA * 2
    check_filters(two)
    for stream in (_join_streams(good, bad), _join_streams(bad, good)):
        assert lzma.decompress(stream) == DATA * 2
        with pytest.raises(PackageError, match="uses a filter"):
            check_filters(stream)


@given(st.binary(max_size=80), st.integers(0, 80))
@example(b"", 0)
def test_arbitrary_bytes_raise_only_package_error(data, at):
    """Filters of arbitrary bytes are checked without another error."""
    encoded = _filtered()
    for each in (data, encoded[:at] + data + encoded[at:], encoded[:-at]):
        try:
            check_filters(each)
        except PackageError:
            continue
