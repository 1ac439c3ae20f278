"""A pcapng that grows connection by connection and gets its name when it is whole.

Steps: 1 blocks are appended to `.NAME.part` and synced after each connection; 2 the file is renamed
to NAME; 3 the folder is synced. A crash before 2 leaves the part, which is a whole pcapng up to the
last connection that ended.
"""

import os
import struct
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from client_sim.lab.errors import CaptureError

_SECTION, _INTERFACE, _ENHANCED, _SECRETS = 0x0A0D0D0A, 1, 6, 10
_RAW_IP: Final = 101
_KEY_LOG: Final = 0x544C534B
_NANO: Final = 1_000_000_000


class CaptureFile:
    """A capture that is being written; a context manager, which gives it its name at the end.

    Where an error ends it before the first connection, there is no file. CaptureError when there is
    one of that name already, OSError as it comes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._part = path.with_name(f".{path.name}.part")
        self._connections = 0

    def __enter__(self) -> Self:
        if self.path.exists():
            raise CaptureError(f"{self.path} is there already: name another file")
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
        """Append a connection: its TLS keys first, where it has any, then its packets."""
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
