"""Pictures: a JPEG walked segment by segment, so that nothing but an image can be in it.

No decoder runs here, and none has to: whether the scan shows something is the signer's to see.

Source: docs/FORMATS.md section 15, Picture; ITU-T T.81 annex B; JFIF 1.02.
"""

from collections.abc import Callable, Iterator

from server.core.errors import FormatError

PICTURE_LIMIT = 8 * 1024 * 1024
MIN_SIDE, MAX_SIDE = 64, 4096
MAX_SCANS = 64

_SOI, _EOI, _SOS, _DQT, _DHT, _DRI, _APP0 = 0xD8, 0xD9, 0xDA, 0xDB, 0xC4, 0xDD, 0xE0
_SOF0, _SOF2 = 0xC0, 0xC2
_RESTARTS = range(0xD0, 0xD8)


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
    size, scans = (0, 0), 0
    for number, (marker, body) in enumerate(_segments(data)):
        if marker in {_SOF0, _SOF2}:
            if size != (0, 0):
                raise FormatError("a picture has more than one frame.")
            size = _frame(body)
        elif marker == _SOS:
            scans += 1
            if size == (0, 0) or scans > MAX_SCANS:
                raise FormatError(f"a picture has a scan without a frame, or over {MAX_SCANS}.")
            _check_scan(body)
        elif marker == _APP0:
            _check_jfif(body, is_first=number == 0)
        elif marker in _CHECKS:
            _CHECKS[marker](body)
        else:
            raise FormatError(f"a picture has a segment FF{marker:02X}, which is not allowed.")
    if not scans:
        raise FormatError("a picture has no scan.")
    return size


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield marker and content of each segment between the first marker and the last."""
    if data[:2] != bytes((0xFF, _SOI)):
        raise FormatError("a picture does not begin as a JPEG does.")
    at = 2
    while data[at : at + 2] != bytes((0xFF, _EOI)):
        marker = data[at + 1] if at + 1 < len(data) else _SOI
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        body = data[at + 4 : at + 2 + length]
        if data[at : at + 1] != b"\xff" or marker == _SOI or len(body) != length - 2:
            raise FormatError("a picture's segments do not follow on each other.")
        yield marker, body
        at += 2 + length
        if marker == _SOS:
            at = _end_of_scan(data, at)
    if at + 2 != len(data):
        raise FormatError("a picture goes on behind its end.")


def _frame(body: bytes) -> tuple[int, int]:
    components = body[5] if len(body) > 5 else 0
    if components not in {1, 3} or len(body) != 6 + 3 * components or body[0] != 8:
        raise FormatError("a picture is not of 8 bits in 1 or 3 components.")
    for sampling, table in zip(body[7::3], body[8::3], strict=True):
        if not (1 <= sampling >> 4 <= 4 and 1 <= sampling & 15 <= 4 and table <= 3):
            raise FormatError("a picture's frame is malformed.")
    height, width = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
    if not (MIN_SIDE <= width <= MAX_SIDE and MIN_SIDE <= height <= MAX_SIDE):
        raise FormatError(
            f"a picture is {width}x{height}, and both have to be {MIN_SIDE} to {MAX_SIDE}."
        )
    return width, height


def _check_scan(body: bytes) -> None:
    count = body[0] if body else 0
    if count not in {1, 2, 3} or len(body) != 4 + 2 * count:
        raise FormatError("a picture's scan is malformed.")


def _end_of_scan(data: bytes, at: int) -> int:
    """Return where the marker behind the scan's data stands."""
    while True:
        at = data.find(b"\xff", at)
        if at < 0 or at + 1 >= len(data):
            raise FormatError("a picture ends within its scan.")
        if data[at + 1] != 0 and data[at + 1] not in _RESTARTS:
            return at
        at += 2


def _check_jfif(body: bytes, *, is_first: bool) -> None:
    # Signature, version, unit and two densities; then the sides of a thumbnail.
    if not is_first or len(body) != 14 or body[:6] != b"JFIF\0\1" or body[12:] != b"\0\0":
        raise FormatError("a picture's APP0 is not JFIF's alone, in front and without thumbnail.")


def _check_quantization(body: bytes) -> None:
    at = 0
    while at < len(body) and body[at] >> 4 <= 1 and body[at] & 15 <= 3:
        at += 1 + 64 * ((body[at] >> 4) + 1)
    if at != len(body) or not body:
        raise FormatError("a picture's quantization tables are malformed.")


def _check_huffman(body: bytes) -> None:
    at = 0
    while at + 17 <= len(body) and body[at] >> 4 <= 1 and body[at] & 15 <= 3:
        at += 17 + sum(body[at + 1 : at + 17])
    if at != len(body) or not body:
        raise FormatError("a picture's Huffman tables are malformed.")


def _check_restarts(body: bytes) -> None:
    if len(body) != 2:
        raise FormatError("a picture's restart interval is malformed.")


_CHECKS: dict[int, Callable[[bytes], None]] = {
    _DQT: _check_quantization,
    _DHT: _check_huffman,
    _DRI: _check_restarts,
}
