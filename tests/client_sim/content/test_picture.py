"""Pictures: a plain JPEG from its first byte to its last, and of the size that is stated."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_sim.content.picture import check_picture
from client_sim.device.errors import ContentError
from tests import jpegs
from tests.server.core.content.samples import JFIF, jpeg, segment

GOOD = jpeg()
FRAME = GOOD[GOOD.index(b"\xff\xc0") :][:13]
SCAN = GOOD[GOOD.index(b"\xff\xda") :][:10]


@pytest.mark.parametrize(("width", "height"), [(64, 64), (4096, 64), (64, 4096)])
def test_a_plain_picture_passes(width, height):
    """Of the least and of the greatest size."""
    check_picture(jpeg(width, height), width, height)


@pytest.mark.parametrize("name", jpegs.SOUND)
def test_whatever_a_plain_picture_may_have_passes(name):
    """JFIF's header or none, tables in any order, restarts, scans that refine each other."""
    check_picture(jpegs.SOUND[name], 64, 64)


@pytest.mark.parametrize("name", jpegs.BROKEN)
def test_no_segment_holds_anything_of_its_own(name):
    """Tables that nobody uses, bytes that are left, numbers that mean nothing."""
    with pytest.raises(ContentError):
        check_picture(jpegs.BROKEN[name][0], 64, 64)


@pytest.mark.parametrize(("width", "height"), [(63, 64), (64, 63), (4097, 64), (0, 64)])
def test_a_size_that_no_picture_has_is_refused(width, height):
    """Even where picture and entry agree."""
    with pytest.raises(ContentError):
        check_picture(jpeg(width, height), width, height)


BROKEN = {
    "empty": b"",
    "no JPEG": b"\x89PNG\r\n\x1a\n" + bytes(80),
    "a size that lies": jpeg(128, 64),
    "EXIF": GOOD.replace(JFIF, JFIF + segment(0xE1, b"Exif\0\0" + bytes(20))),
    "EXIF in place of JFIF": GOOD.replace(JFIF, segment(0xE1, b"Exif\0\0" + bytes(20))),
    "JFIF twice": GOOD.replace(JFIF, JFIF + JFIF),
    "JFIF later": GOOD.replace(JFIF, b"").replace(FRAME, JFIF + FRAME),
    "a thumbnail": GOOD.replace(JFIF, segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\1\1" + bytes(3))),
    "a comment": GOOD.replace(JFIF, JFIF + segment(0xFE, b"hello")),
    "a comment between scans": GOOD.replace(SCAN, SCAN + b"\1" + segment(0xFE, b"x") + SCAN),
    "fill bytes": GOOD.replace(FRAME, b"\xff" + FRAME),
    "two frames": GOOD.replace(FRAME, FRAME + FRAME),
    "a scan before its frame": GOOD.replace(FRAME, SCAN + b"\1" + FRAME),
    "no scan": GOOD[: GOOD.index(b"\xff\xda")] + b"\xff\xd9",
    "no end": GOOD[:-2],
    "something behind the end": GOOD + b"PK\3\4",
    "another picture behind the end": GOOD + GOOD,
    "an arithmetic coder": GOOD.replace(FRAME, FRAME.replace(b"\xff\xc0", b"\xff\xc9")),
    "twelve bits": GOOD.replace(FRAME, FRAME.replace(b"\x0b\x08", b"\x0b\x0c")),
    "a segment that lies": GOOD.replace(b"\xff\xdb\x00\x43", b"\xff\xdb\xff\x43"),
    "a segment without length": GOOD.replace(b"\xff\xdb\x00\x43", b"\xff\xdb\x00\x01"),
    "four components": GOOD.replace(
        FRAME, segment(0xC0, b"\x08\x00\x40\x00\x40\x04" + b"\1\x11\0" * 4)
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_all_else_is_refused(name):
    """Data of a camera, data of a stranger, and files that are two things at once."""
    assert BROKEN[name] != GOOD
    with pytest.raises(ContentError):
        check_picture(BROKEN[name], 64, 64)


@given(st.data())
def test_arbitrary_bytes_never_crash(data):
    """Cut, changed, or made up: good or refused."""
    place = data.draw(st.integers(0, len(GOOD)))
    content = GOOD[:place] + data.draw(st.binary(max_size=40)) + GOOD[place:]
    for candidate in (content, GOOD[:place], content[2:]):
        try:
            check_picture(candidate, 64, 64)
        except ContentError:
            continue
        assert candidate[:2] == b"\xff\xd8"
        assert candidate[-2:] == b"\xff\xd9"
