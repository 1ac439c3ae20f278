"""Fragments of IP packets put together.

RFC 791 section 3.2, RFC 8200 section 4.5. Pieces that overlap are no packet (RFC 5722).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from client_sim.lab.captures.packets import Packet

_LIMIT: Final = 256  # packets that wait for their other pieces
_PIECES_LIMIT: Final = 1024  # of one packet


@dataclass(slots=True)
class _Waiting:
    pieces: dict[int, Packet] = field(default_factory=dict)
    end: int | None = None


class Fragments:
    """Packets that came in pieces; whatever does not fit together is given back by `leftover`."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[bytes, bytes, int, int], _Waiting] = {}
        self._odd: list[Packet] = []

    def add(self, packet: Packet) -> Packet | None:
        """Take a fragment; return the packet that it completes."""
        key = (packet.source, packet.target, packet.protocol, packet.identity)
        # IPv6 shows the protocol in the first fragment's header; others repeat it (RFC 8200).
        waiting = self._waiting.setdefault(key, _Waiting())
        if len(self._waiting) > _LIMIT:
            self._give_up(next(iter(self._waiting)))
        known = waiting.pieces.get(packet.place)
        if known is not None and known.payload == packet.payload:
            return None
        if known is not None or len(waiting.pieces) == _PIECES_LIMIT or packet.missing:
            self._odd.append(packet)
            return None
        waiting.pieces[packet.place] = packet
        if not packet.more:
            waiting.end = packet.place + len(packet.payload)
        payload = _join(waiting)
        if payload is None:
            return None
        del self._waiting[key]
        return replace(waiting.pieces[0], payload=payload, place=0, more=False)

    def leftover(self) -> Iterator[Packet]:
        """Yield the fragments that no packet was made of."""
        for key in list(self._waiting):
            self._give_up(key)
        yield from self._odd

    def _give_up(self, key: tuple[bytes, bytes, int, int]) -> None:
        self._odd += self._waiting.pop(key).pieces.values()


def _join(waiting: _Waiting) -> bytes | None:
    if waiting.end is None:
        return None
    payload = b""
    for place, piece in sorted(waiting.pieces.items()):
        if place != len(payload):
            return None
        payload += piece.payload
    return payload if len(payload) == waiting.end else None
