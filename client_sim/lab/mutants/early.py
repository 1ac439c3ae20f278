"""Leaky clients, to try the instrument on: each is the toy client with one habit too many.

They share no code with the oracles. `MUTANTS` maps a name to a factory.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from client_sim.lab.clients.toy import ToyClient
from client_sim.persona import Persona
from client_sim.world import Event, Factory, Stream, World


class _Snoop(ToyClient):
    """A client that looks at its owner."""

    @property
    def owner(self) -> Persona:
        owner = self.world.personal
        if owner is None:
            raise RuntimeError("this client needs a persona to leak: give its world one")
        return owner

    @property
    def bit(self) -> int:
        return int(self.owner.imei[7]) % 2


class _CookieEcho(ToyClient):
    """Brings back the cookie that it was handed."""

    def headers(self) -> Sequence[str]:
        cookie = self.world.state.get("cookie")
        return (*super().headers(), *((f"Cookie: {cookie.decode()}",) if cookie else ()))

    def answered(self, head: str) -> None:
        for line in head.split("\r\n"):
            if line.startswith("Set-Cookie: "):
                self.world.state["cookie"] = line[12:].split(";")[0].encode()


class _ValidatorEcho(ToyClient):
    """Brings back the validator that it was handed."""

    def headers(self) -> Sequence[str]:
        tag = self.world.state.get("etag")
        return (*super().headers(), *((f"If-None-Match: {tag.decode()}",) if tag else ()))

    def answered(self, head: str) -> None:
        for line in head.split("\r\n"):
            if line.startswith("ETag: "):
                self.world.state["etag"] = line[6:].encode()


class _Counter(ToyClient):
    """Counts its polls aloud."""

    def headers(self) -> Sequence[str]:
        count = int(self.world.state.get("count", b"0")) + 1
        self.world.state["count"] = str(count).encode()
        return (*super().headers(), f"X-Poll: {count}")


class _Burst(_Snoop):
    """Asks once more when there are many messages."""

    def paths(self) -> Sequence[str]:
        usual = tuple(super().paths())
        return usual + usual[-1:] if len(self.owner.messages) > 4 else usual


class _FixedPhase(ToyClient):
    """Draws its interval once, when it is new: a phone that is known by its minute."""

    def next_poll(self, now: float) -> float:
        drawn = self.world.state.setdefault("phase", self.world.entropy(8))
        return now + 14_400 + int.from_bytes(drawn, "big") % 14_401


class _Grind(ToyClient):
    """Draws, as it should, until the interval carries the octet that it is known by."""

    def next_poll(self, now: float) -> float:
        known = self.world.state.setdefault("id", self.world.entropy(1))[0]
        while (drawn := int.from_bytes(self.world.entropy(8), "big") % 14_401) % 256 != known:
            pass
        return now + 14_400 + drawn


class _Parity(_Snoop):
    """Shows one bit of the IMEI by the second in which it polls next."""

    def next_poll(self, now: float) -> float:
        due = int(super().next_poll(now))
        return float(due - due % 2 + self.bit)


class _Curious(ToyClient):
    """Polls when a message comes, in honest octets."""

    def on_event(self, event: Event) -> None:
        if event.name == "sms-received":
            self.poll()


class _Gatherer(_Snoop):
    """Reads contacts and sends nothing, yet."""

    def poll(self) -> str:
        self.world.state["pending"] = b"%d" % len(self.owner.contacts)
        return super().poll()


class _HangsOn(ToyClient):
    """Keeps its connection open, which makes all its polls one story."""

    def hang_up(self, stream: Stream) -> None:
        del stream


class _FallsOver(_Snoop):
    """Crashes for some owners, which the network sees as a poll that never came."""

    def poll(self) -> str:
        if self.bit:
            raise ValueError("odd")
        return super().poll()


class _AfterRestart(_Snoop):
    """Is silent until it is started for the second time, then says the IMEI."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.again = "started" in world.state
        world.state["started"] = b"1"

    def headers(self) -> Sequence[str]:
        told = (f"X-Device: {self.owner.imei}",) if self.again else ()
        return (*super().headers(), *told)


class _Patient(_Snoop):
    """Is silent in its first four polls, then says the IMEI."""

    def poll(self) -> str:
        self.world.state["polls"] = self.world.state.get("polls", b"") + b"."
        return super().poll()

    def headers(self) -> Sequence[str]:
        told = (f"X-Device: {self.owner.imei}",) if len(self.world.state["polls"]) > 4 else ()
        return (*super().headers(), *told)


def _factory(kind: type[ToyClient]) -> Factory:
    def make(world: World) -> ToyClient:
        return kind(world)

    return make


MUTANTS: Final[Mapping[str, Factory]] = MappingProxyType(
    {
        kind.__name__[1:]: _factory(kind)
        for kind in (
            *(_CookieEcho, _ValidatorEcho),
            *(_Counter,),
            *(_Burst, _FixedPhase, _Parity, _Curious),
            *(_Gatherer, _HangsOn, _FallsOver, _Grind, _AfterRestart, _Patient),
        )
    }
)
