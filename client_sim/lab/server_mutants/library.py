"""All servers for tests of the instrument: leaky ones by family, and honest ones.

Honest servers behave like real ones; no check may raise an alarm for them.
"""

import mmap
import sqlite3
from contextlib import closing
from typing import Final

from client_sim.clock import read_entropy
from client_sim.lab.server_mutants.mutant import ServerMutant, append, describe
from client_sim.lab.server_mutants.revealing import REVEALING, VARYING
from client_sim.lab.server_mutants.storing import STORING
from client_sim.lab.server_mutants.toy import Request, ToyServer


class _Honest(ToyServer):
    """Keeps counters in memory and nothing else."""


class _Started(ToyServer):
    """Writes a line when it starts and when it ends, with its own address."""

    def start(self) -> None:
        append(self.folder / "log", "started at 127.0.0.1, process 47110815")

    def end(self) -> None:
        append(self.folder / "log", f"ended after {self.counts.total()} answers")


class _MappedCounters(ToyServer):
    """Counts in a mapped file, so that counters outlive the process."""

    def start(self) -> None:
        path = self.folder / "counters"
        if not path.exists():
            path.write_bytes(bytes(4096))

    def on_request(self, request: Request) -> None:
        with (self.folder / "counters").open("r+b") as file, mmap.mmap(file.fileno(), 0) as page:
            place = request.status % 128 * 8
            count = int.from_bytes(page[place : place + 8], "little") + 1
            page[place : place + 8] = count.to_bytes(8, "little")


class _CountTable(ToyServer):
    """Counts in a database, one row for each status."""

    def on_request(self, request: Request) -> None:
        if self.counts.total() % 50 != 1:
            return
        with closing(sqlite3.connect(self.folder / "state.sqlite", timeout=30)) as database:
            database.execute("CREATE TABLE IF NOT EXISTS n (status INTEGER PRIMARY KEY, n INTEGER)")
            database.execute(
                "INSERT INTO n VALUES (?, 1) ON CONFLICT (status) DO UPDATE SET n = n + 1",
                (request.status,),
            )
            database.commit()


class _Heartbeat(ToyServer):
    """Writes new random bytes into a file of constant length, like a renewed key."""

    def on_request(self, request: Request) -> None:
        del request
        if self.counts.total() % 20 == 0:
            (self.folder / "seed").write_bytes(read_entropy(4096))


class _Blind(ToyServer):
    """Reads a request, but stores nothing of it."""

    def on_request(self, request: Request) -> None:
        (self.folder / "empty").write_bytes(request.data[:0])


SERVER_MUTANTS: Final[tuple[ServerMutant, ...]] = (*STORING, *REVEALING, *VARYING)
"""Servers that keep something of a request (L57) or answer clients differently (L58)."""

HONEST_SERVERS: Final[tuple[ServerMutant, ...]] = tuple(
    describe("clean", kind)
    for kind in (_Honest, _Started, _MappedCounters, _CountTable, _Heartbeat, _Blind)
)
"""Servers for which no check may raise an alarm."""
