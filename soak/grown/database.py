"""Two PostgreSQL servers: a primary, and a synchronous hot standby.

The site's programs use one URL for both, and connect to the current primary. At a real site a tool
such as Patroni manages the servers; here the caller does, with `promote` when the primary failed,
`rejoin` when its machine returns, and `alone` while the standby is unavailable.
"""

import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import asyncpg

from soak.grown.network import NET, Machine
from soak.grown.program import LOOK_SECONDS, READY_SECONDS, Program
from tests.postgres import PASSWORD, PROGRAMS, USER, fetch

PORT = 5432
SYSTEM_USER = "postgres"  # the server refuses to run as root
#: Short, so that replication continues within seconds after a link is restored.
TIMEOUTS = {
    "wal_sender_timeout": "5s",
    "wal_receiver_timeout": "5s",
    "wal_receiver_status_interval": "1s",
    "wal_retrieve_retry_interval": "500ms",
}
# No fsync is needed: faults kill processes, but not the kernel.
OPTIONS = {"fsync": "off", "max_connections": "200", **TIMEOUTS}
HOSTS = f"""
host all all {NET}.0/24 scram-sha-256
host replication all {NET}.0/24 scram-sha-256
"""


class Pair:
    """PostgreSQL on two machines; `primary` and `standby` are the programs with these roles."""

    def __init__(self, machines: tuple[Machine, Machine], folder: Path) -> None:
        folder.mkdir()
        shutil.chown(folder, SYSTEM_USER)
        self._folder = folder
        self.primary, self.standby = (self._program(machine) for machine in machines)

    @property
    def url(self) -> str:
        """The URL of both servers; clients connect to the current primary."""
        hosts = ",".join(sorted(self._address(each) for each in (self.primary, self.standby)))
        return f"postgresql://{USER}:{PASSWORD}@{hosts}/{USER}?target_session_attrs=read-write"

    def start(self) -> None:
        """Create and start both servers."""
        password = self._folder / "password"
        password.write_text(PASSWORD)
        shutil.chown(password, SYSTEM_USER)
        data = self._data(self.primary)
        options = ("-A", "scram-sha-256", "-U", USER, f"--pwfile={password}", "--no-sync")
        self._run("initdb", *options, "-E", "UTF8", "--locale=C.UTF-8", "-D", str(data))
        with (data / "pg_hba.conf").open("a") as file:
            file.write(HOSTS)
        self.primary.start()
        self.primary.wait()
        fetch(self._one(self.primary, "postgres"), f"CREATE DATABASE {USER}")
        self._follow()

    def promote(self) -> None:
        """Kill the primary and promote the standby, which then commits without a standby."""
        self.primary.kill()
        self._ask(self.standby, "SELECT pg_promote()")
        self.primary, self.standby = self.standby, self.primary
        self._ask(self.primary, "ALTER SYSTEM SET synchronous_standby_names = ''")
        self._ask(self.primary, "SELECT pg_reload_conf()")

    def rejoin(self) -> None:
        """Restart the server that is not the primary as a standby, with a new copy of the data."""
        self.standby.kill()
        shutil.rmtree(self._data(self.standby))
        self._follow()

    def alone(self) -> None:
        """Let the primary commit without the standby; called before the standby is stopped."""
        self._ask(self.primary, "ALTER SYSTEM SET synchronous_standby_names = ''")
        self._ask(self.primary, "SELECT pg_reload_conf()")

    def together(self) -> None:
        """Wait until the standby streams; from then on the primary's commits wait for it."""
        query = "SELECT 1 FROM pg_stat_replication WHERE state = 'streaming'"
        _until(lambda: bool(self._ask(self.primary, query)), "the standby does not follow")
        self._ask(self.primary, "ALTER SYSTEM SET synchronous_standby_names = '*'")
        self._ask(self.primary, "SELECT pg_reload_conf()")

    def _follow(self) -> None:
        source = self._one(self.primary, USER)
        target = str(self._data(self.standby))
        words = ("-R", "--no-sync", "-c", "fast", "-X", "stream", "-d", source, "-D", target)
        self._run("pg_basebackup", *words)
        self.standby.start()
        self.standby.wait()
        self.together()

    def _program(self, machine: Machine) -> Program:
        data = self._folder / machine.name
        options = {
            "listen_addresses": machine.address,
            "port": str(PORT),
            "unix_socket_directories": "",
            **OPTIONS,
        }
        command = [str(PROGRAMS / "postgres"), "-D", str(data)]
        command += [word for pair in options.items() for word in ("-c", "=".join(pair))]
        ready = [str(PROGRAMS / "pg_isready"), "-q", "-h", machine.address, "-p", str(PORT)]

        def is_ready() -> bool:
            return subprocess.run(ready, check=False).returncode == 0

        log = self._folder.with_name(f"{machine.name}.log")
        return Program(machine.name, machine, command, log, is_ready, user=SYSTEM_USER)

    def _data(self, program: Program) -> Path:
        return self._folder / program.name

    @staticmethod
    def _address(program: Program) -> str:
        if program.machine is None:
            raise ValueError(f"{program.name} has no machine")
        return program.machine.address

    def _one(self, program: Program, name: str) -> str:
        return f"postgresql://{USER}:{PASSWORD}@{self._address(program)}:{PORT}/{name}"

    def _ask(self, program: Program, query: str) -> list[asyncpg.Record]:
        return fetch(self._one(program, USER), query)

    @staticmethod
    def _run(program: str, *words: str) -> None:
        subprocess.run(
            [str(PROGRAMS / program), *words],
            stdout=subprocess.DEVNULL,
            cwd="/",
            user=SYSTEM_USER,
            group=SYSTEM_USER,
            extra_groups=[],
            check=True,
        )


def _until(condition: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(otherwise)
        time.sleep(LOOK_SECONDS)
