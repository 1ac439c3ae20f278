"""One bounded stream with one block: everything else in xz is refused."""

import contextlib
import hashlib
import lzma
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.content.part import decode_xz, encode_xz
from server.core.errors import FormatError

LZMA2 = {"id": lzma.FILTER_LZMA2, "preset": 6}


def compress(data, check=lzma.CHECK_CRC32, filters=(LZMA2,)):
    """Return a stream with this check and these filters."""
    return lzma.compress(data, lzma.FORMAT_XZ, check, filters=list(filters))


@pytest.mark.needs("xz")
def test_what_is_written_is_read_by_the_program_of_the_format():
    """And the same content always gives the same bytes."""
    data = b"Selamat pagi. " * 1000
    encoded = encode_xz(data)
    done = subprocess.run(["xz", "-dc"], input=encoded, capture_output=True, check=True)
    assert done.stdout == data == decode_xz(encoded)
    assert encode_xz(data) == encoded


@pytest.mark.needs("xz")
def test_what_the_program_of_the_format_writes_is_read():
    """Also with a length in front of the block, as written with several threads."""
    data = b"Selamat pagi. " * 1000
    for options in (["-6", "-T1"], ["-0", "-T2"], ["-9", "--lzma2=preset=6,dict=8MiB"]):
        done = subprocess.run(
            ["xz", "-zc", "--check=crc32", *options], input=data, capture_output=True, check=True
        )
        assert decode_xz(done.stdout) == data


@pytest.mark.parametrize(
    ("encode", "sentence"),
    [
        (lambda: b"", "holds nothing"),
        (lambda: compress(b""), "holds nothing"),
        (lambda: compress(b"a")[:-1], "ends before"),
        (lambda: compress(b"a") + b"\0", "goes on"),
        (lambda: compress(b"a") + b"\0\0\0\0", "goes on"),
        (lambda: compress(b"a") + compress(b"b"), "goes on"),
        (lambda: b" " + compress(b"a"), "cannot be decoded"),
        (lambda: lzma.compress(b"a", lzma.FORMAT_ALONE), "cannot be decoded"),
        (lambda: compress(b"a", lzma.CHECK_NONE), "another check"),
        (lambda: compress(b"a", lzma.CHECK_CRC64), "another check"),
        (lambda: compress(b"a", lzma.CHECK_SHA256), "another check"),
        (lambda: compress(b"a", filters=[{"id": lzma.FILTER_DELTA}, LZMA2]), "LZMA2 alone"),
        (lambda: compress(b"a", filters=[{"id": lzma.FILTER_X86}, LZMA2]), "LZMA2 alone"),
        (lambda: compress(b"a", filters=[LZMA2 | {"dict_size": 12 << 20}]), "8 MiB of dictionary"),
        (lambda: compress(b"a", filters=[LZMA2 | {"dict_size": 64 << 20}]), "cannot be decoded"),
        (lambda: compress(bytes(2_097_153)), "more than 2097152"),
        (lambda: compress(bytes(50_000_000)), "more than 2097152"),
        (lambda: bytes(262_145), "over 262144"),
    ],
)
def test_what_is_refused(encode, sentence):
    """Bombs, other checks, other filters, large dictionaries, and bytes around the stream."""
    encoded = encode()
    with pytest.raises(FormatError, match=sentence):
        decode_xz(encoded)


@pytest.mark.needs("xz")
def test_several_blocks_are_refused():
    """As the format's own program writes them."""
    done = subprocess.run(
        ["xz", "-zc", "--check=crc32", "--block-size=1000"],
        input=bytes(5000),
        capture_output=True,
        check=True,
    )
    with pytest.raises(FormatError, match="exactly one block"):
        decode_xz(done.stdout)


def test_the_limits_are_reached_and_not_passed():
    """For reading and for writing."""
    assert len(decode_xz(encode_xz(bytes(2_097_152)))) == 2_097_152
    for data in (b"", bytes(2_097_153)):
        with pytest.raises(FormatError, match="make it smaller"):
            encode_xz(data)
    with pytest.raises(FormatError, match="in xz are over 262144"):
        encode_xz(hashlib.shake_256(b"").digest(300_000))


@given(st.data())
def test_changed_bytes_raise_only_our_error(data):
    """One byte of a valid stream is changed: it is refused, or has the same content."""
    encoded = bytearray(encode_xz(b"Selamat pagi. " * 9))
    at = data.draw(st.integers(0, len(encoded) - 1))
    encoded[at] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(FormatError):
        assert decode_xz(bytes(encoded)) == b"Selamat pagi. " * 9


@given(st.binary(max_size=200))
def test_any_bytes_raise_only_our_error(data):
    """Whatever the bytes."""
    with contextlib.suppress(FormatError):
        decode_xz(data)
