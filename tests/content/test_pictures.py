"""Pictures: server and phone accept a plain JPEG of the stated size, and nothing else in a file."""

import struct

from hypothesis import given
from hypothesis import strategies as st

from client_sim.content.picture import check_picture as check_on_phone
from server.core.content.picture import PICTURE_LIMIT, check_picture, picture_size
from tests import jpegs
from tests.cases import case
from tests.content.judges import Rule
from tests.server.core.content.samples import JFIF, TABLES, jpeg, segment

PICTURE_RULE = Rule(check_picture, check_on_phone)
HEAD, TAIL = b"\xff\xd8", b"\xff\xd9"
FRAME = segment(0xC0, struct.pack(">BHHB3B", 8, 64, 64, 1, 1, 0x11, 0))
SCAN = segment(0xDA, b"\1\1\0\0\x3f\0") + bytes(16)
EXIF = segment(0xE1, b"Exif\0\0MM\0*")


def frame(marker=0xC0, bits=8, height=64, width=64, components=1, sampling=0x11, table=0):
    """Return a frame header with these members."""
    body = struct.pack(">BHHB", bits, height, width, components)
    return segment(marker, body + bytes((1, sampling, table)) * components)


def test_valid_pictures_pass():
    """Pictures of any allowed size are valid, with or without JFIF, restarts and more scans."""
    for width, height in ((64, 64), (4096, 64), (64, 4096), (70, 4096)):
        assert PICTURE_RULE.accepts(jpeg(width, height), width, height)
        assert picture_size(jpeg(width, height)) == (width, height)
    for name, data in jpegs.SOUND.items():
        assert PICTURE_RULE.accepts(data, 64, 64), name


#: Data, and the server's message.
REFUSED = [
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
    (jpeg() + b"\0", "bytes after its end"),
    (jpeg() + jpeg(), "bytes after its end"),
    (jpeg()[:-2], "within its scan"),
    (jpeg()[:-1], "within its scan"),
    (HEAD + b"\xff\xc0\0\x01", "do not follow"),
    (HEAD + b"\xff\xff\xc0" + FRAME[2:] + SCAN + TAIL, "do not follow|not allowed"),
    (HEAD + b"\xff\xc0\xff\xff" + bytes(9), "do not follow"),
]


def test_invalid_pictures_are_refused() -> None:
    """Metadata, comments, other codings and sizes, and bytes after the end are refused."""
    for data, message in (*REFUSED, *jpegs.BROKEN.values()):
        with case(data[:99]):
            PICTURE_RULE.check_refused(data, 64, 64, server=message)
    for width, height in ((63, 64), (64, 63), (4097, 64), (0, 64)):
        assert not PICTURE_RULE.accepts(jpeg(width, height), width, height)
    PICTURE_RULE.check_refused(jpeg(), 64, 65, server="is 64x64, not 64x65")
    PICTURE_RULE.check_refused(bytes(PICTURE_LIMIT + 1), 64, 64, server="over 8388608")


GOOD = jpeg()


@given(st.data())
def test_mutated_pictures(data):
    """Both agree about changed pictures, and about arbitrary bytes after a valid beginning."""
    content = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
    noise = data.draw(st.binary(max_size=100))
    for candidate in (bytes(content), HEAD + JFIF + noise, GOOD[: data.draw(st.integers(0, 99))]):
        if PICTURE_RULE.accepts(candidate, 64, 64):
            assert (candidate[:2], candidate[-2:]) == (HEAD, TAIL)
