"""Walks a JPEG from its first octet to its last: nothing may be in it but a picture.

Source: docs/FORMATS.md section 15, Picture; ITU-T T.81 annex B.
"""

from dataclasses import dataclass, field
from typing import Final

from client_sim.content.jpeg_scan import (
    BASELINE,
    PROGRESSIVE,
    Frame,
    count_units,
    read_frame,
    read_scan,
    skip_data,
)
from client_sim.content.jpeg_tables import Codes, read_codes, read_quantization
from client_sim.device.errors import ContentError

SHORTEST: Final = 64
LONGEST: Final = 4_096
"""What width and height of a picture may be."""

_START: Final = b"\xff\xd8"
_END: Final = b"\xff\xd9"
_APP0, _DQT, _DHT, _DRI, _SOS = 0xE0, 0xDB, 0xC4, 0xDD, 0xDA
# Version 1.1 or 1.2, no unit, a density of 1 by 1, and a thumbnail of 0 by 0.
_HEADERS: Final = tuple(b"JFIF\0\1" + minor + b"\0\0\1\0\1\0\0" for minor in (b"\1", b"\2"))
_FRAMES: Final = (BASELINE, PROGRESSIVE)
_SCANS_LIMIT: Final = 64


def check_picture(data: bytes, width: int, height: int) -> None:
    """Check that `data` is a plain JPEG of `width` times `height`; raises ContentError."""
    if not data.startswith(_START):
        raise ContentError("The picture is no JPEG.")
    picture = _Picture(data, _skip_head(data))
    while data[picture.at : picture.at + 2] != _END:
        picture.read()
    frame = picture.frame
    if frame is None or not picture.scans or picture.unused or picture.interval_is_new:
        raise ContentError("The picture has no scan, or tables that none of them uses.")
    if (frame.width, frame.height) != (width, height):
        raise ContentError("The picture does not have the width and height that it should have.")
    if not all(SHORTEST <= side <= LONGEST for side in (width, height)):
        raise ContentError("The picture has a width or height that no picture has.")
    if not frame.is_progressive and picture.coded != [each.number for each in frame.components]:
        raise ContentError("The picture does not code each component once.")
    if picture.at + 2 != len(data):
        raise ContentError("The picture goes on behind its end.")


@dataclass(slots=True)
class _Picture:
    """What was seen of a picture up to `at`; `unused` are codes that no scan has used yet."""

    data: bytes
    at: int
    frame: Frame | None = None
    quantization: set[int] = field(default_factory=set)
    codes: set[Codes] = field(default_factory=set)
    unused: set[Codes] = field(default_factory=set)
    interval: int = 0
    interval_is_new: bool = False
    scans: int = 0
    coded: list[int] = field(default_factory=list)

    def read(self) -> None:
        """Read one segment, with a scan's coded data."""
        marker, body, self.at = _read_segment(self.data, self.at)
        if marker in _FRAMES and self.frame is None:
            self.frame = read_frame(marker, body)
        elif marker == _DQT and not self.scans:
            self._add_quantization(read_quantization(body))
        elif marker == _DHT:
            self._add_codes(read_codes(body))
        elif marker == _DRI and len(body) == 2 and not self.interval_is_new:
            self.interval, self.interval_is_new = int.from_bytes(body, "big"), True
        elif marker == _SOS and self.frame is not None and self.scans < _SCANS_LIMIT:
            self._read_scan(self.frame, body)
        else:
            raise ContentError("The picture has a segment that is no part of a plain picture.")

    def _add_quantization(self, numbers: list[int]) -> None:
        for number in numbers:
            if number in self.quantization:
                raise ContentError("The picture has a quantization table twice.")
            self.quantization.add(number)

    def _add_codes(self, tables: list[Codes]) -> None:
        for table in tables:
            if table in self.unused:
                raise ContentError("The picture has codes that no scan uses.")
            self.unused.add(table)
            self.codes.add(table)

    def _read_scan(self, frame: Frame, body: bytes) -> None:
        scan = read_scan(frame, body)
        if self.quantization != {each.table for each in frame.components}:
            raise ContentError("The picture does not have the quantization tables that it uses.")
        if not scan.codes <= self.codes:
            raise ContentError("The picture has a scan without codes.")
        self.unused -= scan.codes
        self.coded += [each.number for each in scan.components]
        units = count_units(frame, scan)
        restarts = (units - 1) // self.interval if self.interval else 0
        self.at = skip_data(self.data, self.at, restarts)
        self.scans, self.interval_is_new = self.scans + 1, False


def _skip_head(data: bytes) -> int:
    """Return where the segments begin, behind the JFIF header where there is one."""
    if data[2:4] != bytes((0xFF, _APP0)):
        return 2
    _, body, at = _read_segment(data, 2)
    if body not in _HEADERS:
        raise ContentError("The picture does not begin as plain JFIF does.")
    return at


def _read_segment(data: bytes, at: int) -> tuple[int, bytes, int]:
    """Return a segment's marker and body, and where the next one begins."""
    length = int.from_bytes(data[at + 2 : at + 4], "big")
    end = at + 2 + length
    if data[at : at + 1] != b"\xff" or length < 2 or end > len(data):
        raise ContentError("The picture is cut short, or no JPEG.")
    return data[at + 1], data[at + 4 : end], end
