"""The client's own address and ports as values: a server keeps neither."""

import re
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, ip_address
from typing import Final

from client_sim.lab.server_side.exchange import Peer
from client_sim.lab.server_side.sieve import Sieve

_WHO: Final = "the client's address"
_WHENCE: Final = "the client's address and port"
_NUMBER: Final = re.compile(rb"(?<![0-9])[1-9][0-9]{3,4}(?![0-9])")
_FIRST: Final = 1024  # the first port that a client may have
_SPAN: Final = 64_512
_AWAY: Final = 10_006  # even: systems hand out ports of one parity
_MOST: Final = 64  # connections whose ends are looked for
_ENOUGH: Final = 12  # ports: fewer stand in any long text by chance


def make_peer_sieve(peers: Sequence[Peer]) -> Sieve:
    """Make a search for our addresses, and for digests of an address with its port."""
    addresses = list(dict.fromkeys(address for address, _ in peers if address))
    ends = [end for end in dict.fromkeys(peers) if all(end)]
    ends = ends[:: len(ends) // _MOST + 1]  # a server that keeps one keeps the next
    structures = tuple(
        # sockaddr_in of Linux: family, port, address; eight bytes that no chance puts together
        b"\x02\0" + port.to_bytes(2, "big") + ip_address(text).packed
        for text, port in ends
        if ip_address(text).version == 4
    )
    said = tuple(
        spelled.encode()
        for text, port in ends
        for spelled in (f"{text}:{port}", f"[{text}]:{port}", f"('{text}', {port})")
    )
    spelled = tuple(spelled for text in addresses for spelled in _spell(text))
    return Sieve({_WHO: spelled, _WHENCE: structures}, {}, {_WHENCE: said}, 1)


def _spell(text: str) -> Iterator[bytes]:
    if text.startswith("127.0.0."):
        return  # these stand in the settings of many servers
    address = ip_address(text)
    yield from (text.encode(), address.packed, b"%d" % int(address))
    yield from (address.exploded.encode(), address.reverse_pointer.encode())
    if isinstance(address, IPv4Address):
        yield b"::ffff:" + address.packed.hex(":", 2).encode()
        if address.is_loopback:
            # Where no other host is in the network, three bytes of four are telling.
            yield text.rpartition(".")[0].encode() + b"."


def count_ports(data: bytes, ports: frozenset[int]) -> tuple[int, int]:
    """Count how many of our ports stand in a text, and how many of as many others.

    One port has too few digits to be looked for; most of a hundred are not there by chance.
    """
    there = {int(match[0]) for match in _NUMBER.finditer(data)}
    others = {_FIRST + (port - _FIRST + _AWAY) % _SPAN for port in ports}
    return len(there & ports), len(there & (others - ports))


def is_telling(ours: int, others: int) -> bool:
    """Return whether ports stand in a text because they were kept."""
    return ours >= _ENOUGH and others * 4 <= ours
