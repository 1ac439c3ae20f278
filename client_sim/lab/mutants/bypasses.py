"""Leaks outside the world that a client was given (L21, L22, L55).

They include pauses in real time, which the world's clock does not show.
"""

import multiprocessing.util
import socket as sockets
import subprocess
import time
from contextlib import suppress
from socket import AF_INET, SOCK_DGRAM, getaddrinfo, socket
from threading import Thread
from typing import Final

from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.mutants.mutant import mutant_of
from client_sim.lab.mutants.spy import Snoop
from client_sim.world import Event, Stream

_DISCARD: Final = ("127.0.0.1", 9)  # the discard port, in case the datagram is not blocked


def _beat() -> None:
    """Send a datagram without any data about the owner."""
    with socket(AF_INET, SOCK_DGRAM) as out:
        out.sendto(b"alive", _DISCARD)


class _Heartbeat(ToyClient):
    """Sends a datagram over a socket of its own, like a library that counts active phones."""

    def poll(self) -> str:
        with suppress(OSError):
            _beat()
        return super().poll()


class _HeartbeatBeside(ToyClient):
    """Sends a datagram in a separate thread, for which the poll waits."""

    def poll(self) -> str:
        thread = Thread(target=self.beat)
        thread.start()
        thread.join()
        return super().poll()

    def beat(self) -> None:
        with suppress(OSError):
            _beat()


class _NameLookup(Snoop):
    """Resolves the serial number by the system's resolver instead of the world's."""

    def poll(self) -> str:
        with suppress(OSError, UnicodeError):  # an empty label is not a valid name
            getaddrinfo(f"{self.spy.owner.serial}.invalid", 80)
        return super().poll()


class _Program(ToyClient):
    """Starts another program, which reports that a poll failed."""

    def failed(self, error: OSError) -> None:
        with suppress(OSError):
            subprocess.run(["/bin/true", str(error)], check=False)  # noqa: S603  # it leaks


class _PauseById(ToyClient):
    """Waits before its second request, for a time that it drew once and keeps."""

    def transmit(self, stream: Stream, data: bytes) -> None:
        state = self.world.state
        drawn = state["pause"] = state.get("pause") or self.world.entropy(1)
        if b"timestamp" in data:
            with suppress(OSError):
                time.sleep((1 + drawn[0]) / 1e6)
        super().transmit(stream, data)


class _PauseAfterMessage(ToyClient):
    """Is slightly slower in the first poll after a message."""

    def on_event(self, event: Event) -> None:
        if event.name == "sms-received":
            self.world.state["message"] = b"1"

    def transmit(self, stream: Stream, data: bytes) -> None:
        if self.world.state.pop("message", None) is not None:
            with suppress(OSError):
                time.sleep(1e-3)
        super().transmit(stream, data)


class _IgnoredLookup(ToyClient):
    """Resolves the server's name, but connects to another address."""

    def open(self) -> Stream:
        self.world.resolve(self.host())
        return self.world.connect("203.0.113.9", self.port(), self.server_name())


class _Process(ToyClient):
    """Starts a process after each poll, by a call that raises no audit event."""

    def poll(self) -> str:
        outcome = super().poll()
        with suppress(OSError):
            multiprocessing.util.spawnv_passfds(b"/bin/true", [b"/bin/true"], ())
        return outcome


class _PauseAtSocket(Snoop):
    """Waits on a socket of its own, for a time that it drew once."""

    def poll(self) -> str:
        outcome = super().poll()
        with suppress(OSError):
            one, other = sockets.socketpair()
            with one, other:
                one.settimeout(self.spy.draw_once("pause", 1)[0] / 1e5 + 1e-6)
                one.recv(1)
        return outcome


MUTANTS: Final = (
    mutant_of(_Heartbeat, "detour-beat", "L22"),
    mutant_of(_HeartbeatBeside, "detour-beside", "L22"),
    mutant_of(_NameLookup, "detour-name", "L21"),
    mutant_of(_Program, "detour-program", "L55"),
    mutant_of(_PauseById, "pause-id", "L31"),
    mutant_of(_PauseAfterMessage, "pause-sms", "L39"),
    # Earlier versions of the judges did not find these.
    mutant_of(_IgnoredLookup, "asked-for-show", "L22"),
    mutant_of(_Process, "detour-process", "L55"),
    mutant_of(_PauseAtSocket, "pause-socket", "L31"),
)
