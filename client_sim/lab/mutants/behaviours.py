"""Leaks that no row can express: clients that poll, connect, draw or choose in another way.

Some keep data in their module, which outlives restarts and is shared by the phones of a process.
"""

import os
import socket
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Final
from zlib import crc32

from client_sim.device.choose import Decision
from client_sim.device.client import PollingClient
from client_sim.device.pointer import bucket
from client_sim.device.records import load_secret
from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.mutants import covert, encodings
from client_sim.lab.mutants.mutant import mutant_of
from client_sim.lab.mutants.spy import Spy
from client_sim.world import Event, Stream

_AT_IMPORT: Final = os.urandom(8)  # noqa: TID251  # it leaks
_HOST_AT_IMPORT: Final = socket.gethostname()
_PROCESS_STATE: Final[dict[str, bytes]] = {}


class _AtCallsAround(PollingClient):
    """The real client polls at each call."""

    def on_event(self, event: Event) -> None:
        super().on_event(event)
        if event.name.startswith("call-"):
            self.poll()


class _OneForDays(ToyClient):
    """Makes all its polls on one connection."""

    connection: Stream | None = None

    def open(self) -> Stream:
        if self.connection is None:
            self.connection = super().open()
        return self.connection

    def disconnect(self, stream: Stream) -> None:
        del stream

    def failed(self, error: OSError) -> None:
        super().failed(error)
        self.connection = None


class _KeyServed(ToyClient):
    """Fetches a key that the server may have made for this phone, and reveals which it holds."""

    def paths(self) -> Sequence[str]:
        return ("/ohttp-keys", *super().paths())

    def received_body(self, body: bytes) -> None:
        super().received_body(body)
        if "keys" not in self.world.state and body:
            self.world.state["keys"] = sha256(body).hexdigest()[:16].encode()

    def headers(self) -> Sequence[str]:
        key = self.world.state.get("keys", b"").decode()
        return (*super().headers(), *((f"X-Key: {key}",) if key else ()))


class _DrawnAtImport(ToyClient):
    """Derives the parities of intervals from a key that was drawn at import."""

    def poll(self) -> str:
        Spy(self.world).begin_poll()
        return super().poll()

    def draw(self, now: float) -> float:
        bit = encodings.POLL_BIT.encode(Spy(self.world), self.key())
        return covert.INTERVAL_PARITY.put(bit, now, super().draw(now))

    def key(self) -> bytes:
        return _AT_IMPORT


class _KeptByProcess(_DrawnAtImport):
    """Derives the parities of intervals from a key that lasts as long as the process."""

    def key(self) -> bytes:
        return _PROCESS_STATE.setdefault("key", self.world.entropy(8))


class _IgnoredLookup(ToyClient):
    """Resolves the server's name, but connects to another address."""

    def open(self) -> Stream:
        self.world.resolve(self.host())
        return self.world.connect("203.0.113.9", self.port(), self.server_name())


class _HostAtImport(ToyClient):
    """Requests the timestamp twice by a bit of the host name that it read at import."""

    def paths(self) -> Sequence[str]:
        first, *rest = super().paths()
        return (first, *rest, *rest) if crc32(_HOST_AT_IMPORT.encode()) % 2 else (first, *rest)


class _LaterPlace(PollingClient):
    """Has a place in rollouts that is later by one after an app was installed."""

    def on_event(self, event: Event) -> None:
        if event.name == "app-installed":
            self.world.state["behind"] = b"1"

    def _decide(self, trust: object) -> Decision:
        decision = super()._decide(trust)  # type: ignore[arg-type]  # handed on as it is
        offer = decision.offer
        if offer is None or "behind" not in self.world.state:
            return decision
        secret = load_secret(self.world.state, self.world.entropy)
        public = self.world.public
        place = bucket(secret, public.codename, public.region, public.channel, offer.final_counter)
        sentence = next(check.sentence for check in decision.checks if check.name == "share")
        is_last = f" {place + 1} of 1000 " in sentence
        return replace(decision, offer=None) if is_last else decision


MUTANTS: Final = (
    mutant_of(_AtCallsAround, "activity-call-around", "L39"),
    mutant_of(_OneForDays, "one-for-days", "L49"),
    mutant_of(_KeyServed, "key-served", "L50"),
    mutant_of(_LaterPlace, "place-one-behind", "L39", "offers"),
    # Earlier versions of the judges did not find these.
    mutant_of(_IgnoredLookup, "asked-for-show", "L22", "determinism"),
    mutant_of(_DrawnAtImport, "import-bits", "L09", "determinism"),
    mutant_of(_KeptByProcess, "process-bits", "L31", "determinism"),
    mutant_of(_HostAtImport, "host-at-import", "machine", "machine", "fleet"),
)
