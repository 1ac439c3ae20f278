"""Writer of recorded connections as a pcapng file.

A listener receives bytes, not segments. The bytes are written as packets, so that any program can
read the recording. Sequence numbers, windows and the times of acknowledgements are made up.

Steps: 1 blocks are appended to `.NAME.part` and synced after each connection; 2 the file is renamed
to NAME; 3 the folder is synced. A crash before 2 leaves the part, which is a complete pcapng file
up to the last connection that ended.
"""

import os
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_address
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from client_sim.lab.errors import CaptureError

_TCP: Final = 6
_SYN, _ACK, _PUSH, _FIN, _RST = 2, 16, 8, 1, 4
_SEGMENT: Final = 1400  # bytes, as over Ethernet

_SECTION, _INTERFACE, _ENHANCED, _SECRETS = 0x0A0D0D0A, 1, 6, 10
_RAW_IP: Final = 101
_KEY_LOG: Final = 0x544C534B
_NANO: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Transfer:
    """Bytes that were sent by the client or to it, at a time (epoch seconds)."""

    at: float
    from_client: bool
    data: bytes


def encode_connection(
    client: tuple[str, int],
    server: tuple[str, int],
    started: float,
    transfers: Iterable[Transfer],
    ended: float,
    *,
    is_reset: bool = False,
) -> Iterator[tuple[float, bytes]]:
    """Yield the packets of a connection with their times.

    Its ends are addresses as text, and ports. `is_reset` says that the client ended it by a reset.
    """
    numbers = {True: 0, False: 0}

    def packet(at: float, from_client: bool, flags: int, data: bytes = b"") -> tuple[float, bytes]:
        sent = numbers[from_client]
        acknowledged = numbers[not from_client] if flags & _ACK else 0
        numbers[from_client] += len(data) + bool(flags & (_SYN | _FIN))
        sender, receiver = (client, server) if from_client else (server, client)
        return at, _encode(sender, receiver, (sent, acknowledged, flags), data)

    yield packet(started, True, _SYN)
    yield packet(started, False, _SYN | _ACK)
    yield packet(started, True, _ACK)
    for each in transfers:
        for start in range(0, len(each.data), _SEGMENT):
            piece = each.data[start : start + _SEGMENT]
            yield packet(each.at, each.from_client, _PUSH | _ACK, piece)
    if is_reset:
        yield packet(ended, True, _RST | _ACK)
        return
    yield packet(ended, True, _FIN | _ACK)
    yield packet(ended, False, _FIN | _ACK)
    yield packet(ended, True, _ACK)


def _encode(
    sender: tuple[str, int], receiver: tuple[str, int], numbers: tuple[int, int, int], data: bytes
) -> bytes:
    # The zone of a link-local address is only valid on its machine.
    source, target = (ip_address(end[0].partition("%")[0]) for end in (sender, receiver))
    sequence, acknowledged, flags = numbers
    ring = 0xFFFFFFFF
    head = struct.pack(
        ">HHIIBBHHH",
        sender[1],
        receiver[1],
        sequence & ring,
        acknowledged & ring,
        0x50,
        flags,
        65535,
        0,
        0,
    )
    segment = head + data
    if isinstance(source, IPv4Address):
        pseudo = source.packed + target.packed + struct.pack(">HH", _TCP, len(segment))
        outer = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(segment), 0, 0x4000, 64, _TCP, 0)
        outer += source.packed + target.packed
        outer = outer[:10] + _check_sum(outer) + outer[12:]
    else:
        pseudo = source.packed + target.packed + struct.pack(">II", len(segment), _TCP)
        outer = struct.pack(">IHBB", 6 << 28, len(segment), _TCP, 64)
        outer += source.packed + target.packed
    return outer + segment[:16] + _check_sum(pseudo + segment) + segment[18:]


def _check_sum(data: bytes) -> bytes:
    """Compute the checksum of RFC 1071."""
    total = sum(struct.unpack(f">{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return struct.pack(">H", ~total & 0xFFFF)


class CaptureFile:
    """A capture file being written; a context manager, which renames it to its name at the end.

    If an error occurs before the first connection, no file remains. Raise CaptureError if the file
    exists already, and OSError.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._part = path.with_name(f".{path.name}.part")
        self._connections = 0

    def __enter__(self) -> Self:
        if self.path.exists():
            raise CaptureError(f"{self.path} already exists: name another file")
        self._file = self._part.open("wb")
        resolution = struct.pack("<HHB3xHH", 9, 1, 9, 0, 0)
        self._append(_SECTION, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
        self._append(_INTERFACE, struct.pack("<HHI", _RAW_IP, 0, 0) + resolution)
        self._sync()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._sync()
        self._file.close()
        if kind is not None and not self._connections:
            self._part.unlink()
            return
        self._part.replace(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def write(self, packets: Iterable[tuple[float, bytes]], keys: bytes) -> None:
        """Append a connection: its TLS keys, if any, and then its packets."""
        if keys:
            self._append(_SECRETS, struct.pack("<II", _KEY_LOG, len(keys)) + keys)
        for at, packet in packets:
            high, low = divmod(round(at * _NANO), 1 << 32)
            head = struct.pack("<IIIII", 0, high, low, len(packet), len(packet))
            self._append(_ENHANCED, head + packet)
        self._sync()
        self._connections += 1

    def _append(self, kind: int, body: bytes) -> None:
        body += b"\0" * (-len(body) % 4)
        size = struct.pack("<I", len(body) + 12)
        self._file.write(struct.pack("<I", kind) + size + body + size)

    def _sync(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
