"""Pictures: a JPEG walked segment by segment, so that nothing but an image can be in it.

No decoder runs here, and none has to: whether the scan shows something is the signer's to see.

Source: docs/FORMATS.md section 15, Picture; ITU-T T.81 annex B; JFIF 1.02.
"""

import re
from collections.abc import Iterator

from server.core.content.jpeg_frame import Frame, Scan, decode_frame, decode_scan
from server.core.content.jpeg_tables import Table, huffman_tables, quantization_tables
from server.core.errors import FormatError

PICTURE_LIMIT = 8 * 1024 * 1024
MAX_SCANS = 64

_SOI, _EOI, _SOS, _DQT, _DHT, _DRI, _APP0 = 0xD8, 0xD9, 0xDA, 0xDB, 0xC4, 0xDD, 0xE0
_SOF0, _SOF2 = 0xC0, 0xC2
_JFIF = re.compile(rb"JFIF\x00\x01[\x01\x02]\x00\x00\x01\x00\x01\x00\x00")
_MARKER = re.compile(rb"\xff[^\0]")
_RESTARTS = tuple(bytes((0xFF, 0xD0 + number)) for number in range(8))


def check_picture(data: bytes, width: int, height: int) -> None:
    """Raise FormatError unless `data` is a picture of `width` by `height` that phones may hold."""
    if len(data) > PICTURE_LIMIT:
        raise FormatError(f"a picture of {len(data)} octets is over {PICTURE_LIMIT}.")
    if (found := picture_size(data)) != (width, height):
        raise FormatError(f"a picture is {found[0]}x{found[1]}, not {width}x{height}.")


def picture_size(data: bytes) -> tuple[int, int]:
    """Return width and height of a JPEG, once every segment of it was looked at.

    Raises FormatError for all that section 15 does not name, and for anything behind the end.
    """
    walk = _Walk()
    for number, (marker, body, coded) in enumerate(_segments(data)):
        if marker == _APP0:
            if number or _JFIF.fullmatch(body) is None:
                raise FormatError("a picture's APP0 is not JFIF's plain one, in front.")
        elif marker == _SOS:
            walk.take_scan(body, coded)
        else:
            walk.take(marker, body)
    return walk.finish()


class _Walk:
    """What is known of a picture so far."""

    def __init__(self) -> None:
        self._frame: Frame | None = None
        self._quantization: list[int] = []
        self._huffman: dict[Table, bool] = {}  # whether a scan has taken it
        self._restarts: list[int] = []  # intervals since the last scan
        self._interval = 0
        self._scans: list[Scan] = []

    def take(self, marker: int, body: bytes) -> None:
        """Take a segment that is no scan."""
        if marker in {_SOF0, _SOF2}:
            if self._frame is not None:
                raise FormatError("a picture has more than one frame.")
            self._frame = decode_frame(body, is_progressive=marker == _SOF2)
        elif marker == _DQT and not self._scans:
            self._quantization += quantization_tables(body)
        elif marker == _DHT:
            for table in huffman_tables(body):
                if self._huffman.get(table) is False:
                    raise FormatError("a picture has a Huffman table that no scan takes.")
                self._huffman[table] = False
        elif marker == _DRI:
            if len(body) != 2 or self._restarts:
                raise FormatError("a picture's restart interval is malformed.")
            self._restarts.append(int.from_bytes(body, "big"))
        else:
            raise FormatError(f"a picture has a segment FF{marker:02X}, which is not allowed.")

    def take_scan(self, body: bytes, coded: bytes) -> None:
        """Take a scan and its coded data."""
        if self._frame is None or len(self._scans) == MAX_SCANS:
            raise FormatError(f"a picture has a scan without a frame, or over {MAX_SCANS}.")
        if sorted(self._quantization) != sorted(self._frame.quantized_by):
            raise FormatError("a picture has not each quantization table that it names, once.")
        scan = decode_scan(body, self._frame)
        if not scan.tables <= self._huffman.keys():
            raise FormatError("a picture's scan names a Huffman table that is not there.")
        self._huffman |= dict.fromkeys(scan.tables, True)
        if self._restarts:
            self._interval = self._restarts.pop()
        units = self._frame.units_of(scan.components)
        _check_restarts(coded, (units - 1) // self._interval if self._interval else 0)
        self._scans.append(scan)

    def finish(self) -> tuple[int, int]:
        """Return width and height, now that there is no more."""
        if self._frame is None or not self._scans:
            raise FormatError("a picture has no scan.")
        if self._restarts or not all(self._huffman.values()):
            raise FormatError("a picture has a table or an interval that no scan takes.")
        coded = [each for scan in self._scans for each in scan.components]
        if not self._frame.is_progressive and coded != list(self._frame.sampling):
            raise FormatError("a picture does not code each component once, in their order.")
        return self._frame.width, self._frame.height


def _segments(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield marker and content of each segment between the first and the last, and coded data."""
    if data[:2] != bytes((0xFF, _SOI)):
        raise FormatError("a picture does not begin as a JPEG does.")
    at = 2
    while data[at : at + 2] != bytes((0xFF, _EOI)):
        marker = data[at + 1] if at + 1 < len(data) else _SOI
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        begin, at = at, at + 2 + length
        body = data[begin + 4 : at]
        if data[begin : begin + 1] != b"\xff" or marker == _SOI or len(body) != length - 2:
            raise FormatError("a picture's segments do not follow on each other.")
        end = _end_of_scan(data, at) if marker == _SOS else at
        yield marker, body, data[at:end]
        at = end
    if at + 2 != len(data):
        raise FormatError("a picture goes on behind its end.")


def _end_of_scan(data: bytes, at: int) -> int:
    """Return where the marker behind the scan's data stands."""
    for found in _MARKER.finditer(data, at):
        if found[0] not in _RESTARTS:
            return found.start()
    raise FormatError("a picture ends within its scan.")


def _check_restarts(coded: bytes, expected: int) -> None:
    """Raise FormatError unless there are so many restarts, in their order, and data between."""
    found = list(_MARKER.finditer(coded))
    if [each[0] for each in found] != [_RESTARTS[n % 8] for n in range(expected)]:
        raise FormatError("a picture's scan does not restart where it says.")
    ends = [0, *(each.end() for each in found)]
    begins = [*(each.start() for each in found), len(coded)]
    if any(end == begin for end, begin in zip(ends, begins, strict=True)):
        raise FormatError("a picture's scan has a piece without data.")
