"""The real polling client in a wrapper that alters its inputs and its decisions.

The client itself is clean to the last line; its world and its answers are not.
"""

from client_sim.device.client import PollingClient, PollOutcome
from client_sim.lab.mutants.beneath import LeakingWorld
from client_sim.world import Event, Stream, World


class Around(LeakingWorld):
    """A factory: the world that the real client lives in, and the client that the outside sees."""

    def __init__(self, outer: World) -> None:
        super().__init__(outer)
        self.client = PollingClient(self)

    def poll(self) -> PollOutcome:
        """Let the real client poll."""
        return self.client.poll()

    def on_event(self, event: Event) -> None:
        """Tell the real client what happened."""
        self.client.on_event(event)

    def next_poll(self, now: float) -> float:
        """Ask the real client when it is due."""
        return self.client.next_poll(now)

    def connect(self, address: str, port: int, tls: str | None) -> Stream:
        """Connect, and listen to what comes back."""
        return _OverheardStream(self, super().connect(address, port, tls))

    def overhear(self, data: bytes) -> None:
        """Take bytes of an answer on their way to the client."""


class _OverheardStream:
    def __init__(self, around: Around, inner: Stream) -> None:
        self._around = around
        self._inner = inner

    def send(self, data: bytes) -> None:
        self._inner.send(data)

    def recv(self, limit: int) -> bytes:
        data = self._inner.recv(limit)
        self._around.overhear(data)
        return data

    def close(self) -> None:
        self._inner.close()
