"""Pictures: every segment is checked, and only image data is allowed."""

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.content.picture import PICTURE_LIMIT, check_picture, picture_size
from server.core.errors import FormatError
from tests import jpegs
from tests.server.core.content.samples import JFIF, TABLES, jpeg, segment

HEAD, TAIL = b"\xff\xd8", b"\xff\xd9"
FRAME = segment(0xC0, struct.pack(">BHHB3B", 8, 64, 64, 1, 1, 0x11, 0))
SCAN = segment(0xDA, b"\1\1\0\0\x3f\0") + bytes(16)
EXIF = segment(0xE1, b"Exif\0\0MM\0*")


def frame(marker=0xC0, bits=8, height=64, width=64, components=1, sampling=0x11, table=0):
    """Return a frame header with these members."""
    body = struct.pack(">BHHB", bits, height, width, components)
    return segment(marker, body + bytes((1, sampling, table)) * components)


@pytest.mark.parametrize(("width", "height"), [(64, 64), (4096, 64), (70, 4096)])
def test_a_picture_by_hand(width, height):
    """Its size is that of the frame."""
    check_picture(jpeg(width, height), width, height)
    assert picture_size(jpeg(width, height)) == (width, height)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "does not begin"),
        (b"\x89PNG\r\n\x1a\n", "does not begin"),
        (HEAD, "do not follow"),
        (HEAD + TAIL, "no scan"),
        (HEAD + JFIF + EXIF + TABLES + FRAME + SCAN + TAIL, "FFE1"),
        (HEAD + JFIF + segment(0xE2, b"ICC_PROFILE\0") + FRAME + SCAN + TAIL, "FFE2"),
        (HEAD + JFIF + segment(0xEE, b"Adobe") + FRAME + SCAN + TAIL, "FFEE"),
        (HEAD + JFIF + segment(0xFE, b"a comment") + FRAME + SCAN + TAIL, "FFFE"),
        (HEAD + JFIF + TABLES + FRAME + SCAN + segment(0xFE, b"late") + TAIL, "FFFE"),
        (HEAD + JFIF + JFIF + TABLES + FRAME + SCAN + TAIL, "APP0"),
        (HEAD + TABLES + JFIF + FRAME + SCAN + TAIL, "APP0"),
        (HEAD + segment(0xE0, b"JFXX\0\x10") + FRAME + SCAN + TAIL, "APP0"),
        (HEAD + segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\1\1abc") + FRAME + SCAN + TAIL, "APP0"),
        (HEAD + frame(0xC1) + SCAN + TAIL, "FFC1"),
        (HEAD + frame(0xC3) + SCAN + TAIL, "FFC3"),
        (HEAD + frame(0xC9) + SCAN + TAIL, "FFC9"),
        (HEAD + FRAME + FRAME + SCAN + TAIL, "more than one frame"),
        (HEAD + SCAN + TAIL, "scan without a frame"),
        (HEAD + frame(bits=12) + SCAN + TAIL, "8 bits in 1 or 3"),
        (HEAD + frame(components=2) + SCAN + TAIL, "8 bits in 1 or 3"),
        (HEAD + frame(components=4) + SCAN + TAIL, "8 bits in 1 or 3"),
        (HEAD + segment(0xC0, b"\x08") + SCAN + TAIL, "8 bits in 1 or 3"),
        (HEAD + frame(sampling=0x51) + SCAN + TAIL, "frame is malformed"),
        (HEAD + frame(table=4) + SCAN + TAIL, "frame is malformed"),
        (HEAD + frame(width=63) + SCAN + TAIL, "63x64, and both"),
        (HEAD + frame(height=4097) + SCAN + TAIL, "64x4097, and both"),
        (HEAD + frame(height=0) + SCAN + TAIL, "64x0, and both"),
        (HEAD + TABLES + FRAME + segment(0xDA, b"\0") + bytes(16) + TAIL, "scan is malformed"),
        (HEAD + segment(0xDB, bytes(64)) + FRAME + SCAN + TAIL, "quantization"),
        (HEAD + segment(0xDB, b"") + FRAME + SCAN + TAIL, "quantization"),
        (HEAD + segment(0xDB, b"\x20" + bytes(192)) + FRAME + SCAN + TAIL, "quantization"),
        (HEAD + segment(0xC4, bytes(16)) + FRAME + SCAN + TAIL, "Huffman"),
        (HEAD + segment(0xC4, b"\x20" + bytes(16)) + FRAME + SCAN + TAIL, "Huffman"),
        (HEAD + segment(0xDD, b"\0") + FRAME + SCAN + TAIL, "restart"),
        (jpeg() + b"\0", "goes on behind"),
        (jpeg() + jpeg(), "goes on behind"),
        (jpeg()[:-2], "within its scan"),
        (jpeg()[:-1], "within its scan"),
        (HEAD + b"\xff\xc0\0\x01", "do not follow"),
        (HEAD + b"\xff\xff\xc0" + FRAME[2:] + SCAN + TAIL, "do not follow|not allowed"),
        (HEAD + b"\xff\xc0\xff\xff" + bytes(9), "do not follow"),
    ],
)
def test_what_is_refused(data, sentence):
    """Metadata, comments, other codings, other sizes, and anything after the end."""
    with pytest.raises(FormatError, match=sentence):
        picture_size(data)


@pytest.mark.parametrize("name", jpegs.SOUND)
def test_whatever_a_plain_picture_may_have_passes(name):
    """JFIF's header or none, tables in any order, restarts, progressive scans."""
    assert picture_size(jpegs.SOUND[name]) == (64, 64)


@pytest.mark.parametrize("name", jpegs.BROKEN)
def test_no_segment_holds_anything_of_its_own(name):
    """Unused tables, leftover bytes, numbers without a meaning."""
    data, sentence = jpegs.BROKEN[name]
    with pytest.raises(FormatError, match=sentence):
        picture_size(data)


def test_size_and_length_are_compared():
    """With those of the entry, and with 8 MiB."""
    with pytest.raises(FormatError, match="is 64x64, not 64x65"):
        check_picture(jpeg(), 64, 65)
    with pytest.raises(FormatError, match="over 8388608"):
        check_picture(bytes(PICTURE_LIMIT + 1), 64, 64)


@given(st.data())
def test_a_picture_that_is_changed_anywhere_raises_only_our_error(data):
    """Bytes are exchanged, removed or added."""
    content = bytearray(jpeg())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
    with contextlib.suppress(FormatError):
        picture_size(bytes(content))


@given(st.binary(max_size=100))
def test_any_bytes_raise_only_our_error(data):
    """After a valid beginning."""
    with contextlib.suppress(FormatError):
        picture_size(HEAD + JFIF + data)
