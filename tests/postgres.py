"""A real PostgreSQL server for tests, in a folder of its own, on a loopback port."""

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import asyncpg

from tests.patience import PATIENCE
from tests.ports import free_port

PROGRAMS = Path("/usr/lib/postgresql/17/bin")
USER, PASSWORD = "hening", "canary-4711-secret"  # tests search output and logs for it
WAIT = ("-w", "-t", f"{PATIENCE:.0f}")  # of pg_ctl, in seconds
LIMITS = "-c fsync=off -c autovacuum=off -c max_connections=60 -c listen_addresses=127.0.0.1"


@dataclass
class PostgresServer:
    """A server that can be stopped and started; each test has a database of its own."""

    folder: Path
    port: int
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def start(self) -> None:
        """Start the server, and return once it accepts connections."""
        options = f"-p {self.port} -c unix_socket_directories={self.folder} {LIMITS}"
        log = str(self.folder / "log")
        self._run(
            "pg_ctl", "-D", str(self.folder / "data"), "-l", log, *WAIT, "-o", options, "start"
        )

    def stop(self, mode: str = "immediate") -> None:
        """Stop the server; `immediate` simulates a crash."""
        self._run("pg_ctl", "-D", str(self.folder / "data"), *WAIT, "-m", mode, "stop")

    def make_database(self) -> str:
        """Make an empty database and return its address, which includes the password."""
        name = f"test_{next(self.numbers)}"
        fetch(self.address("postgres"), f"CREATE DATABASE {name}")
        return self.address(name)

    def copy_database(self, address: str) -> str:
        """Copy a database that has no connections, and return the copy's address."""
        copy = self.address(f"test_{next(self.numbers)}")
        names = (url.rpartition("/")[2] for url in (copy, address))
        fetch(self.address("postgres"), "CREATE DATABASE {} TEMPLATE {}".format(*names))
        return copy

    def address(self, database: str) -> str:
        """Return the address of a database."""
        return f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def dump(self, address: str) -> bytes:
        """Return pg_dump's dump of a database, in its custom format."""
        return self._pipe("pg_dump", "--format=custom", f"--dbname={address}")

    def restore(self, dump: bytes) -> str:
        """Restore a dump with pg_restore into a new database, and return its address."""
        address = self.make_database()
        self._pipe("pg_restore", "--exit-on-error", f"--dbname={address}", given=dump)
        return address

    @staticmethod
    def _pipe(program: str, *words: str, given: bytes = b"") -> bytes:
        command = [str(PROGRAMS / program), *words]
        return subprocess.run(command, input=given, capture_output=True, check=True).stdout

    @staticmethod
    def _run(program: str, *words: str) -> None:
        # The server refuses to run as root; Debian's package makes this user.
        user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        done = subprocess.run(
            [*user, str(PROGRAMS / program), *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # otherwise the server would keep a pipe open
            stderr=subprocess.DEVNULL,
            cwd="/",
            check=False,
        )
        assert done.returncode == 0, f"{program} {words[-1]} failed"

    def initialise(self) -> None:
        """Make the server's files."""
        password = self.folder / "password"
        password.write_text(PASSWORD, encoding="ascii")
        if os.geteuid() == 0:
            for path in (self.folder, password):
                shutil.chown(path, "postgres")
        options = ("-A", "scram-sha-256", "-U", USER, f"--pwfile={password}", "--no-sync")
        # The default of 4,096 costs a client in Python 15 ms for each connection.
        options += ("--set", "scram_iterations=1")
        data = str(self.folder / "data")
        self._run("initdb", *options, "-E", "UTF8", "--locale=C.UTF-8", "-D", data)


def fetch(address: str, query: str) -> list[asyncpg.Record]:
    """Return the rows of a query over a new connection."""

    async def inside() -> list[asyncpg.Record]:
        connection = await asyncpg.connect(address)
        try:
            return await connection.fetch(query)
        finally:
            await connection.close()

    with ThreadPoolExecutor(1) as thread:  # the caller may run in an event loop
        return thread.submit(asyncio.run, inside()).result()


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Run a server until the block ends."""
    # Not in pytest's folder, which is closed to other users.
    folder = Path(tempfile.mkdtemp(prefix="hening-postgresql-"))
    server = PostgresServer(folder, free_port())
    try:
        server.initialise()
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)
