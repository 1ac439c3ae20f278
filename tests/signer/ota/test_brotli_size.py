import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signer.ota import brotli_size
from signer.ota.brotli_size import BrotliSize


def _digest(packed: bytes, limit: int, piece: int) -> bytes:
    followed = BrotliSize(limit)
    for at in range(0, len(packed), piece):
        followed.update(memoryview(packed)[at : at + piece])
    return followed.digest()


@given(st.binary(max_size=3000), st.integers(1, 500))
def test_length(data: bytes, piece: int) -> None:
    """However the packed bytes are cut up, the answer is the length of the whole."""
    assert _digest(brotli.compress(data, quality=4), 3000, piece) == len(data).to_bytes(8)


def test_much_comes_out_of_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unpacked bytes are counted in pieces, so that they need no memory of their own size."""
    monkeypatch.setattr(brotli_size, "_PIECE", 100)
    packed = brotli.compress(bytes(500_000))
    assert _digest(packed, 500_000, 3) == (500_000).to_bytes(8)
    assert _digest(packed, 499_999, 3) == b""


@pytest.mark.parametrize("piece", [1, 100])
def test_what_cannot_be_unpacked(piece: int) -> None:
    """Cut off, followed by something or no brotli at all: no answer."""
    packed = brotli.compress(b"quiet, clear")
    assert _digest(packed[:-1], 100, piece) == b""
    assert _digest(packed + b"x", 100, piece) == b""
    assert _digest(b"", 100, piece) == b""
    assert _digest(b"\xff" * 20, 100, piece) == b""


@given(st.binary(max_size=400))
def test_arbitrary_bytes(raw: bytes) -> None:
    """Noise has an answer or none, and raises nothing."""
    assert len(_digest(raw, 1000, 50)) in {0, 8}
