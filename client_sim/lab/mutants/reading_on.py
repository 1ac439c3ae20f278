"""Connections that are held open by reading on where nothing is to come: how long, tells (L49)."""

import socket
from typing import Final
from zlib import crc32

from client_sim.lab.mutants.mutant import Mutant
from client_sim.lab.mutants.telling import Snoop
from client_sim.world import Event, Stream


class _ReadsOn(Snoop):
    """Reads on after the last answer, until the server ends the connection."""

    def hang_up(self, stream: Stream) -> None:
        if self.is_odd():
            stream.recv(1)
        super().hang_up(stream)

    def is_odd(self) -> bool:
        """Return the bit that it tells: one of the owner's."""
        return bool(self.spy.bit)


class _ReadsOnByEvents(_ReadsOn):
    def on_event(self, event: Event) -> None:
        super().on_event(event)
        self.spy.count("events")

    def is_odd(self) -> bool:
        return bool(int(self.world.state.pop("events", b"0")) % 2)


class _ReadsOnByHost(_ReadsOn):
    def is_odd(self) -> bool:
        return bool(crc32(socket.gethostname().encode()) % 2)


MUTANTS: Final = (
    Mutant(
        "reads-on-owner",
        "L49",
        "Keeps its connection until the server ends it: a bit of the IMEI.",
        _ReadsOn,
        only=("personal",),
    ),
    Mutant(
        "reads-on-events",
        "L49",
        "Keeps its connection until the server ends it, after an odd number of events.",
        _ReadsOnByEvents,
        only=("events",),
    ),
    Mutant(
        "reads-on-host",
        "L49",
        "Keeps its connection until the server ends it, by a digest of the host name.",
        _ReadsOnByHost,
        only=("machine",),
    ),
)
