"""Frame and scans of a JPEG: what they say of themselves, and how much coded data follows.

Source: docs/FORMATS.md section 15, Picture; ITU-T T.81 A.2, B.2.2, B.2.3 and G.1.1.1.
"""

from dataclasses import dataclass
from typing import Final

from client_sim.content.jpeg_tables import Codes
from client_sim.device.errors import ContentError

BASELINE: Final = 0xC0
PROGRESSIVE: Final = 0xC2
_BLOCK: Final = 8
_LAST: Final = 63
_LOWEST_BIT: Final = 13
_BLOCKS_LIMIT: Final = 10
"""Blocks of 8 times 8 samples that are coded together, of all components."""


@dataclass(frozen=True, slots=True)
class Component:
    """One of a picture's components: its number, its samples by unit, its quantization table."""

    number: int
    across: int
    down: int
    table: int


@dataclass(frozen=True, slots=True)
class Frame:
    """A picture's size, its components, and whether it comes in scans that refine each other."""

    is_progressive: bool
    width: int
    height: int
    components: tuple[Component, ...]


@dataclass(frozen=True, slots=True)
class Scan:
    """What a scan codes, and with which codes."""

    components: tuple[Component, ...]
    codes: frozenset[Codes]


def read_frame(marker: int, body: bytes) -> Frame:
    """Return the frame of a segment SOF0 or SOF2; raises ContentError."""
    count = body[5] if len(body) > 5 else 0
    if count not in {1, 3} or len(body) != 6 + 3 * count or body[0] != 8:
        raise ContentError("The picture does not have 8 bits and 1 or 3 components.")
    components = tuple(
        Component(body[at], body[at + 1] >> 4, body[at + 1] & 15, body[at + 2])
        for at in range(6, len(body), 3)
    )
    sides = {side for each in components for side in (each.across, each.down)}
    is_sound = (
        [each.number for each in components] == list(range(1, count + 1))
        and sides <= {1, 2, 3, 4}
        and all(each.table < 4 for each in components)
    )
    if not is_sound:
        raise ContentError("The picture has components that are none.")
    height, width = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
    return Frame(marker == PROGRESSIVE, width, height, components)


def read_scan(frame: Frame, body: bytes) -> Scan:
    """Return the scan of a segment SOS; raises ContentError."""
    fault = ContentError("The picture has a scan that does not fit into its frame.")
    count = body[0] if body else 0
    if not 1 <= count <= len(frame.components) or len(body) != 4 + 2 * count:
        raise fault
    by_number = {each.number: each for each in frame.components}
    numbers, tables = list(body[1:-3:2]), body[2:-3:2]
    if numbers != sorted(set(numbers) & by_number.keys()):
        raise fault
    components = tuple(by_number[number] for number in numbers)
    if count > 1 and sum(each.across * each.down for each in components) > _BLOCKS_LIMIT:
        raise fault
    first, last, before, bit = body[-3], body[-2], body[-1] >> 4, body[-1] & 15
    has_dc = first == 0 and before == 0
    has_ac = last > 0
    if frame.is_progressive:
        is_band = 1 <= first <= last <= _LAST and count == 1
        is_bit = bit <= _LOWEST_BIT and before in {0, bit + 1}
        is_sound = is_bit and (is_band or first == last == 0)
    else:
        is_sound = (first, last, before, bit) == (0, _LAST, 0, 0)
    highest = 3 if frame.is_progressive else 1
    codes = set()
    for table in tables:
        for is_ac, is_used, number in ((False, has_dc, table >> 4), (True, has_ac, table & 15)):
            if number > (highest if is_used else 0):
                raise fault
            if is_used:
                codes.add((is_ac, number))
    if not is_sound:
        raise fault
    return Scan(components, frozenset(codes))


def count_units(frame: Frame, scan: Scan) -> int:
    """Return of how many units a scan's coded data consists, between which restarts may stand."""
    across = max(each.across for each in frame.components)
    down = max(each.down for each in frame.components)
    if len(scan.components) > 1:
        return _divide(frame.width, _BLOCK * across) * _divide(frame.height, _BLOCK * down)
    (own,) = scan.components
    columns = _divide(_divide(frame.width * own.across, across), _BLOCK)
    return columns * _divide(_divide(frame.height * own.down, down), _BLOCK)


def skip_data(data: bytes, at: int, restarts: int) -> int:
    """Return where coded data ends: at the marker behind its last restart; raises ContentError.

    Restarts are numbered 0 to 7 in a circle.
    """
    found, begin = 0, at
    while True:
        at = data.find(b"\xff", at)
        following = data[at + 1 : at + 2]
        if at < 0 or not following:
            raise ContentError("The picture is cut short.")
        if following == bytes((0xD0 + found % 8,)) and found < restarts and at > begin:
            found, begin = found + 1, at + 2
        elif following != b"\0":
            break
        at += 2
    if found != restarts or at == begin:
        raise ContentError("The picture does not restart where it says that it does.")
    return at


def _divide(number: int, by: int) -> int:
    """Return a quotient, rounded up."""
    return -(-number // by)
