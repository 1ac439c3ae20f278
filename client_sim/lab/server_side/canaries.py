"""The canaries of one examination, and fast searches for them.

A server's files are gigabytes, mostly without a match. All windows of eight bytes are looked up as
numbers in one pass, and only data with a known window is searched byte by byte. The client's own
addresses and ports are searched for as well, because a server must not keep them.
"""

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from ipaddress import IPv4Address, ip_address
from typing import Final

from client_sim.lab.oracles.canary import CanarySearch, Sighting
from client_sim.lab.oracles.transforms import DIGESTS, ENOUGH, TRANSFORMS
from client_sim.lab.oracles.views import View, step_differences, view
from client_sim.lab.server_side.exchange import Peer
from client_sim.lab.server_side.planting import Planted, plant
from client_sim.lab.server_side.positions import PATH, plan_framings, plan_heads, plan_tls

_PATHS: Final = 8  # existing paths of the server that planted requests use

Values = Mapping[str, tuple[bytes, ...]]
_WINDOW: Final = 8
_STEP: Final = 1024
_OVERLAP: Final = 512  # bytes; holds a value in the longest of the usual encodings

_ADDRESS: Final = "the client's address"
_END: Final = "the client's address and port"
_NUMBER: Final = re.compile(rb"(?<![0-9])[1-9][0-9]{3,4}(?![0-9])")
_FIRST_PORT: Final = 1024  # the first port that a client may have
_PORT_COUNT: Final = 64_512
_PORT_SHIFT: Final = 10_006  # even, because systems assign ports of one parity
_MAX_ENDS: Final = 64  # connections whose addresses and ports are searched for
_MIN_PORTS: Final = 12  # ports; fewer occur in any long text by chance


class Canaries:
    """The planted requests, in the order of sending, and a search for their values.

    `paths` are existing paths of the server. The same canaries may be sent to servers with the same
    host name.
    """

    def __init__(
        self,
        host: bytes,
        paths: Sequence[bytes],
        entropy: Callable[[int], bytes],
        *,
        tls: bool,
        layers: int,
    ) -> None:
        existing = tuple(path for path in paths if path != PATH)[:_PATHS]
        templates = [*plan_heads(host, existing), *plan_framings(host)]
        if tls:
            templates += plan_tls(host)
        self.planted: list[Planted] = [plant(template, entropy) for template in templates]
        named = {
            f"{each.template.position} (request {number})": each
            for number, each in enumerate(self.planted, 1)
        }
        self.sieve = Sieve(
            {name: each.values for name, each in named.items()},
            {name: each.halves for name, each in named.items()},
            {name: each.wholes for name, each in named.items()},
            layers,
        )


class Sieve(CanarySearch):
    """A search for values in large amounts of data.

    `halves` are halves of values, searched for under one transform, because a short field may
    truncate a value. `wholes` are longer pieces that contain a value, searched for as digests,
    because a digest of the piece does not show the value.
    """

    def __init__(self, values: Values, halves: Values, wholes: Values, layers: int) -> None:
        super().__init__(values, layers)
        for field, piece in _pairs(halves):
            self._spelled.append((field, piece, "", piece))
            self._add_tokens(len(self._spelled) - 1, piece, min(layers, 1))
        first = len(self._chains)
        chains = [
            chain
            for digest in DIGESTS
            for chain in ((digest,), *((digest, name) for name in ENOUGH))
        ]
        self._chains += chains
        for field, piece in _pairs(wholes):
            self._spelled.append((field, piece, "", piece))
            place = len(self._spelled) - 1
            for number, chain in enumerate(chains, first):
                data = DIGESTS[chain[0]](piece)
                for name in chain[1:]:
                    data = TRANSFORMS[name](data)
                self._index.setdefault(data[:_WINDOW], []).append((place, number))
        self.windows = _as_numbers(self._index)
        self.steps = _as_numbers(self._deltas)

    def _plain(self, seen: View) -> Iterator[Sighting]:
        if _has_any(self.windows, seen.data):
            yield from super()._plain(seen)

    def _xored(self, seen: View) -> Iterator[Sighting]:
        if _has_any(self.steps, step_differences(seen.data)):
            yield from super()._xored(seen)


class Sieves:
    """Several sieves in one pass, so that data is decoded only once."""

    def __init__(self, *sieves: Sieve) -> None:
        self._sieves = sieves
        self._windows = frozenset().union(*(sieve.windows for sieve in sieves))
        self._steps = frozenset().union(*(sieve.steps for sieve in sieves))

    def find(self, data: bytes) -> Iterator[Sighting]:
        """Find values in data of any length, including encoded and compressed ones.

        The data is read in pieces, which bounds the decodings that are tried for each.
        """
        for start in range(0, max(len(data) - _OVERLAP, 1), _STEP):
            piece = data[start : start + _STEP + _OVERLAP]
            readings = [seen for seen in view(piece) if self._may_have(seen.data)]
            for sieve in self._sieves if readings else ():
                for sighting in sieve.search_readings(readings):
                    yield replace(sighting, offset=start + sighting.offset)

    def _may_have(self, data: bytes) -> bool:
        return _has_any(self._windows, data) or _has_any(self._steps, step_differences(data))


def _pairs(values: Values) -> Iterator[tuple[str, bytes]]:
    return ((field, piece) for field, own in values.items() for piece in own)


def _as_numbers(keys: Mapping[bytes, object]) -> frozenset[int]:
    return frozenset(int.from_bytes(key, sys.byteorder) for key in keys if len(key) == _WINDOW)


def _has_any(numbers: frozenset[int], data: bytes) -> bool:
    view = memoryview(data)
    return not all(
        numbers.isdisjoint(view[shift : shift + (len(data) - shift) // 8 * 8].cast("Q"))
        for shift in range(min(_WINDOW, len(data) - _WINDOW + 1))
    )


def make_peer_sieve(peers: Sequence[Peer]) -> Sieve:
    """Return a search for the client's addresses, and for digests of an address with its port."""
    addresses = list(dict.fromkeys(address for address, _ in peers if address))
    ends = [end for end in dict.fromkeys(peers) if all(end)]
    # A sample is enough: a server that keeps one also keeps others.
    ends = ends[:: len(ends) // _MAX_ENDS + 1]
    structures = tuple(
        # sockaddr_in of Linux: family, port, address; these eight bytes do not occur by chance
        b"\x02\0" + port.to_bytes(2, "big") + ip_address(text).packed
        for text, port in ends
        if ip_address(text).version == 4
    )
    texts = tuple(
        spelled.encode()
        for text, port in ends
        for spelled in (f"{text}:{port}", f"[{text}]:{port}", f"('{text}', {port})")
    )
    spelled = tuple(spelled for text in addresses for spelled in _spell(text))
    return Sieve({_ADDRESS: spelled, _END: structures}, {}, {_END: texts}, 1)


def _spell(text: str) -> Iterator[bytes]:
    if text.startswith("127.0.0."):
        return  # these occur in the settings of many servers
    address = ip_address(text)
    yield from (text.encode(), address.packed, b"%d" % int(address))
    yield from (address.exploded.encode(), address.reverse_pointer.encode())
    if isinstance(address, IPv4Address):
        yield b"::ffff:" + address.packed.hex(":", 2).encode()
        if address.is_loopback:
            # A loopback network has no other hosts, so three of four bytes identify the client.
            yield text.rpartition(".")[0].encode() + b"."


def count_ports(data: bytes, ports: frozenset[int]) -> tuple[int, int]:
    """Count how many of the client's ports occur in a text, and how many of as many other ports.

    A single port has too few digits to be searched for, but many of a hundred do not occur by
    chance.
    """
    existing = {int(match[0]) for match in _NUMBER.finditer(data)}
    others = {_FIRST_PORT + (port - _FIRST_PORT + _PORT_SHIFT) % _PORT_COUNT for port in ports}
    return len(existing & ports), len(existing & (others - ports))


def is_significant(own: int, others: int) -> bool:
    """Return whether so many of the client's ports occur that they must have been kept."""
    return own >= _MIN_PORTS and others * 4 <= own
