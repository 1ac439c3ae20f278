"""Walks a JPEG from its first octet to its last: nothing may be in it but a picture.

FORMATS section 15, Picture; segments are those of ITU-T T.81 annex B.
"""

from typing import Final

from client_sim.device.errors import ContentError

SHORTEST: Final = 64
LONGEST: Final = 4_096
"""What width and height of a picture may be."""

_START: Final = b"\xff\xd8"
_JFIF: Final = b"JFIF\x00"
_END: Final = b"\xff\xd9"
_APP0, _DQT, _DHT, _DRI, _SOS = 0xE0, 0xDB, 0xC4, 0xDD, 0xDA
_FRAMES: Final = frozenset({0xC0, 0xC2})  # baseline, progressive
_SCANS_LIMIT: Final = 64
_TABLES: Final = frozenset({_DQT, _DHT, _DRI})


def check_picture(data: bytes, width: int, height: int) -> None:
    """Check that `data` is a plain JPEG of `width` times `height`; raises ContentError."""
    if not data.startswith(_START):
        raise ContentError("The picture is no JPEG.")
    at, has_frame, scans = _skip_head(data), False, 0
    while data[at : at + 2] != _END:
        marker, body, at = _read_segment(data, at)
        if marker in _FRAMES and not has_frame:
            _check_frame(body, width, height)
            has_frame = True
        elif marker == _SOS and has_frame and scans < _SCANS_LIMIT:
            at, scans = _skip_scan(data, at), scans + 1
        elif marker not in _TABLES:
            raise ContentError("The picture has a segment that is no part of a plain picture.")
    if not scans or at + 2 != len(data):
        raise ContentError("The picture has no scan, or goes on behind its end.")


def _skip_head(data: bytes) -> int:
    """Return where the segments begin, behind the JFIF header where there is one."""
    if data[2:4] != bytes((0xFF, _APP0)):
        return 2
    _, body, at = _read_segment(data, 2)
    # 5 octets of name, version, unit, two densities, and a thumbnail of 0 times 0.
    if len(body) != 14 or not body.startswith(_JFIF) or any(body[12:]):
        raise ContentError("The picture does not begin as plain JFIF does.")
    return at


def _read_segment(data: bytes, at: int) -> tuple[int, bytes, int]:
    """Return a segment's marker and body, and where the next one begins."""
    length = int.from_bytes(data[at + 2 : at + 4], "big")
    end = at + 2 + length
    if data[at : at + 1] != b"\xff" or length < 2 or end > len(data):
        raise ContentError("The picture is cut short, or no JPEG.")
    return data[at + 1], data[at + 4 : end], end


def _check_frame(body: bytes, width: int, height: int) -> None:
    components = body[5] if len(body) > 5 else 0
    if components not in {1, 3} or len(body) != 6 + 3 * components or body[0] != 8:
        raise ContentError("The picture does not have 8 bits and 1 or 3 components.")
    stated = (int.from_bytes(body[3:5], "big"), int.from_bytes(body[1:3], "big"))
    if stated != (width, height) or not all(SHORTEST <= side <= LONGEST for side in stated):
        raise ContentError("The picture does not have the width and height that it should have.")


def _skip_scan(data: bytes, at: int) -> int:
    """Return where coded data ends: at a marker that is neither stuffing nor a restart."""
    while True:
        at = data.find(b"\xff", at)
        if at < 0 or at + 1 >= len(data):
            raise ContentError("The picture is cut short.")
        following = data[at + 1]
        if following and not 0xD0 <= following <= 0xD7:
            return at
        at += 2
