"""A second way out: what leaves outside the world that a client was given (L21, L22, L55).

Also the time that passes in between: real seconds, which the world's clock does not show.
"""

import subprocess
import time
from contextlib import suppress
from socket import AF_INET, SOCK_DGRAM, getaddrinfo, socket
from threading import Thread
from typing import Final

from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.mutants.mutant import Mutant
from client_sim.lab.mutants.telling import Snoop
from client_sim.world import Event, Stream

_NOBODY: Final = ("127.0.0.1", 9)  # the discard port, in case that it is let through


def _beat() -> None:
    """Send a datagram that says nothing of the owner."""
    with socket(AF_INET, SOCK_DGRAM) as out:
        out.sendto(b"alive", _NOBODY)


class _Heartbeat(ToyClient):
    """Its library counts the phones that are on."""

    def poll(self) -> str:
        with suppress(OSError):
            _beat()
        return super().poll()


class _HeartbeatBeside(ToyClient):
    """The same in a thread, which the poll waits for."""

    def poll(self) -> str:
        beside = Thread(target=self.beat)
        beside.start()
        beside.join()
        return super().poll()

    def beat(self) -> None:
        with suppress(OSError):
            _beat()


class _Question(Snoop):
    """Asks the system's resolver, not the world's."""

    def poll(self) -> str:
        with suppress(OSError):
            getaddrinfo(f"{self.spy.owner.serial}.invalid", 80)
        return super().poll()


class _Program(ToyClient):
    """Has another program report that a poll failed."""

    def failed(self, error: OSError) -> None:
        with suppress(OSError):
            subprocess.run(["/bin/true", str(error)], check=False)  # noqa: S603  # it leaks


class _PauseById(ToyClient):
    """Waits before its second request, for a time that it drew once, for ever."""

    def transmit(self, stream: Stream, data: bytes) -> None:
        state = self.world.state
        drawn = state["pause"] = state.get("pause") or self.world.entropy(1)
        if b"timestamp" in data:
            with suppress(OSError):
                time.sleep((1 + drawn[0]) / 1e6)
        super().transmit(stream, data)


class _PauseAfterMessage(ToyClient):
    """Is a little slower in the first poll after a message."""

    def on_event(self, event: Event) -> None:
        if event.name == "sms-received":
            self.world.state["message"] = b"1"

    def transmit(self, stream: Stream, data: bytes) -> None:
        if self.world.state.pop("message", None) is not None:
            with suppress(OSError):
                time.sleep(1e-3)
        super().transmit(stream, data)


MUTANTS: Final = (
    Mutant("detour-beat", "L22", "Sends a datagram by a socket of its own.", _Heartbeat),
    Mutant("detour-beside", "L22", "Sends it in a thread of its own.", _HeartbeatBeside),
    Mutant("detour-name", "L21", "Asks the system's resolver for the serial number.", _Question),
    Mutant("detour-program", "L55", "Starts a program when a poll fails.", _Program),
    Mutant("pause-id", "L31", "Pauses between two requests by a number drawn once.", _PauseById),
    Mutant("pause-sms", "L39", "Pauses once behind a message.", _PauseAfterMessage),
)
