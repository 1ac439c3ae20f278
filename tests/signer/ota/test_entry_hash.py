import random
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signer.ota import entry_hash
from signer.ota.container import DEFLATED, STORED, Entry
from signer.ota.entry_hash import UnpackedCrc, encode_unpacked


def _deflate(data: bytes) -> bytes:
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    return deflate.compress(data) + deflate.flush()


def _digest(entry: Entry, packed: bytes, piece: int) -> bytes:
    followed = UnpackedCrc(entry)
    for at in range(0, len(packed), piece):
        followed.update(memoryview(packed)[at : at + piece])
    return followed.digest()


@given(st.binary(max_size=3000), st.integers(1, 500), st.sampled_from([STORED, DEFLATED]))
def test_size_and_checksum(data: bytes, piece: int, method: int) -> None:
    """However the packed bytes are cut up, the answer is that of the whole."""
    packed = data if method == STORED else _deflate(data)
    entry = Entry("x", method, 0, len(packed), len(data), 0)
    assert _digest(entry, packed, piece) == encode_unpacked(len(data), zlib.crc32(data))


def test_much_comes_out_of_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unpacked bytes are taken in pieces, so that they need no memory of their own size."""
    monkeypatch.setattr(entry_hash, "_PIECE", 100)
    data = bytes(50_000)
    packed = _deflate(data)
    entry = Entry("x", DEFLATED, 0, len(packed), len(data), 0)
    assert _digest(entry, packed, 7) == encode_unpacked(50_000, zlib.crc32(data))


@pytest.mark.parametrize(
    ("packed", "size"),
    [
        (_deflate(b"quiet, clear")[:-1], 12),
        (_deflate(b"quiet, clear") + b"x", 12),
        (_deflate(b"quiet, clear"), 11),
        (b"\xff\xff\xff", 3),
        (b"", 0),
    ],
)
@pytest.mark.parametrize("piece", [1, 100])
def test_what_cannot_be_unpacked(packed: bytes, size: int, piece: int) -> None:
    """Cut off, followed by something, longer than announced or no deflate at all: no answer."""
    assert _digest(Entry("x", DEFLATED, 0, len(packed), size, 0), packed, piece) == b""


def test_a_bomb_is_given_up() -> None:
    """Nothing more is unpacked once the announced size is passed."""
    packed = _deflate(bytes(64 << 20))
    followed = UnpackedCrc(Entry("x", DEFLATED, 0, len(packed), 10, 0))
    followed.update(memoryview(packed))
    assert followed.digest() == b""


@given(st.binary(max_size=400))
@settings(max_examples=300)
def test_arbitrary_bytes(raw: bytes) -> None:
    """Noise has an answer or none, and raises nothing."""
    assert len(_digest(Entry("x", DEFLATED, 0, len(raw), 1000, 0), raw, 50)) in {0, 12}


def test_incompressible_bytes_of_many_pieces() -> None:
    """Several megabytes in and out agree with zlib's own checksum."""
    data = random.Random(2014).randbytes(3 << 20)
    packed = _deflate(data)
    entry = Entry("x", DEFLATED, 0, len(packed), len(data), 0)
    assert _digest(entry, packed, 1 << 20) == encode_unpacked(len(data), zlib.crc32(data))
