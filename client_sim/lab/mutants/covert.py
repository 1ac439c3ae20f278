"""Covert channels outside requests: places for leaked values in times, hosts, names and traffic."""

from collections.abc import Callable
from hashlib import sha256
from typing import Final

from client_sim.lab.mutants.places import is_set
from client_sim.lab.mutants.rows import Beside, InTarget, InTime, Target
from client_sim.lab.mutants.spy import add_body
from client_sim.world import Public, World

_SHORTEST: Final = 14_400  # seconds of an interval
_LONGEST: Final = 28_800


# The time of the next poll.


def later(seconds: int, *, at_draw: bool = False) -> InTime:
    """Return a place that delays the poll by `seconds` times the value.

    With `at_draw`, a poll that would be too late is advanced instead.
    """

    def put(told: bytes, now: float, due: float) -> float:
        shift = seconds * int(told or b"0")
        return due + shift if not at_draw or due + shift <= now + _LONGEST else due - shift

    return InTime(f"as {seconds} seconds of delay", put, at_draw)


def sooner(seconds: int) -> InTime:
    """Return a place that advances the poll by `seconds` times the value, up to the minimum."""
    return InTime(
        f"as {seconds} seconds less",
        lambda told, now, due: max(now + _SHORTEST, due - seconds * int(told)),
        at_draw=True,
    )


def _put_in_the_night(told: bytes, _now: float, due: float) -> float:
    """Poll between one and six o'clock in the time zone whose offset is the value, like +0700."""
    offset = 3600 * int(told[:3]) + 60 * int(told[:1] + told[3:5])
    while not 1 <= (due + offset) // 3600 % 24 < 6:
        due += 3600
    return due


IN_THE_NIGHT: Final = InTime("as the time of the poll, in the night", _put_in_the_night)


def low_part(size: int, *, at_draw: bool = False) -> InTime:
    """Return a place that replaces the remainder of the time modulo `size` by the value."""

    def put(told: bytes, _now: float, due: float) -> float:
        whole = int(due)
        return float(whole - whole % size + int(told) % size)

    return InTime(f"as the rest of the time by {size}", put, at_draw)


THOUSANDTHS: Final = InTime(
    "as thousandths of a second",
    lambda told, _now, due: int(due) + int(told) % 1000 / 1000,
)
INTERVAL: Final = InTime(
    "as the interval",
    lambda told, now, _due: now + _SHORTEST + int(told) % (_SHORTEST + 1),
    at_draw=True,
)
ASKED_INTERVAL: Final = InTime(
    "as the interval from when it is asked",
    lambda told, now, _due: now + _SHORTEST + int(told) % (_SHORTEST + 1),
)
SOON: Final = InTime("within the hour", lambda _told, now, _due: now + 3_000, at_draw=True)
WAIT: Final = InTime(
    "as the interval", lambda told, now, due: now + int(told) if told.isdigit() else due
)
EVERY_SIX_HOURS: Final = InTime(
    "as the second of the hour, every six hours",
    lambda told, now, _due: float((int(now) // 21_600 + 1) * 21_600 + int(told)),
)


def _parity(told: bytes, now: float, due: float) -> float:
    other = due + ((int(due - now) ^ int(told)) & 1)
    return other if other <= now + _LONGEST else other - 2


INTERVAL_PARITY: Final = InTime("as the parity of an interval", _parity, at_draw=True)
HALF: Final = InTime(
    "by half of the interval",
    lambda told, now, due: now + (due - now) / 2 if is_set(told) else due,
    at_draw=True,
)
STRETCHED: Final = InTime(
    "as the factor of intervals",
    lambda told, now, due: now + _SHORTEST + (due - now - _SHORTEST) * (1 - int(told) / 1024),
    at_draw=True,
)


# The target of a connection.

HOST_LABEL: Final = InTarget(
    "below the host", lambda told, target: target._replace(host=f"{told.decode()}.{target.host}")
)
PORT: Final = InTarget(
    "in the port", lambda told, target: target._replace(port=target.port + int(told))
)
TLS_LABEL: Final = InTarget(
    "in the name for TLS",
    lambda told, target: target._replace(port=443, tls=f"{told.decode()}.{target.host}"),
)
TLS_CASE: Final = InTarget(
    "as the case of the name for TLS",
    lambda told, target: target._replace(tls=target.host.upper() if is_set(told) else target.host),
)


def _use_other_door(told: bytes, target: Target) -> Target:
    host, _, port = told.decode("latin-1").rpartition(":")
    name = host or target.host
    return target._replace(host=name, port=int(port), tls=name) if port.isdecimal() else target


OTHER_DOOR: Final = InTarget("as the host and port", _use_other_door)
SECURE: Final = InTarget("as TLS", lambda _told, target: target._replace(port=443, tls=target.host))


ADDRESS: Final = InTarget(
    "as the choice of an address",
    lambda told, target: target._replace(address=int(told)),
)


# In addition to the honest polls.


def kept(moment: str = "poll") -> Beside:
    """Store the value without sending it."""

    def act(told: bytes, world: World) -> None:
        world.state["pending"] = told

    return Beside("to itself", moment, act)


NOWHERE: Final = Beside("to nobody", "poll", lambda _told, _world: None)


def drawn_again(moment: str) -> Beside:
    """Forget the due time of the next poll, so that another one is drawn."""

    def act(_told: bytes, world: World) -> None:
        world.state.pop("due", None)

    return Beside(f"as another time of the next poll at each {moment}", moment, act)


def moved(seconds: int, moment: str) -> Beside:
    """Move the time of the next poll."""

    def act(told: bytes, world: World) -> None:
        due = float(world.state["due"]) + seconds * int(told)
        world.state["due"] = repr(due).encode()

    return Beside(f"as {seconds} seconds more at each {moment}", moment, act)


def placed(moment: str) -> Beside:
    """Replace the rollout secret by one derived from it, which changes the phone's place."""

    def act(told: bytes, world: World) -> None:
        world.state["secret"] = sha256(told + world.state.get("secret", b"")).digest()

    return Beside(f"as another place in rollouts at each {moment}", moment, act)


def lookup(name: str, moment: str = "poll") -> Beside:
    """Resolve a name; `{}` is the value, `{host}` the server's name."""

    def act(told: bytes, world: World) -> None:
        world.resolve(name.format(told.decode(), host=world.public.host))

    return Beside(f"in a question for {name}", moment, act)


def lookups(moment: str = "poll") -> Beside:
    """Resolve the server's name again, as often as the value says."""

    def act(told: bytes, world: World) -> None:
        for _ in range(int(told)):
            world.resolve(world.public.host)

    return Beside("as the number of questions", moment, act)


def _begin(public: Public) -> tuple[int, str | None]:
    return public.port, public.host if public.tls else None


def connections(moment: str = "poll") -> Beside:
    """Connect to the server without a request, as often as the value says."""

    def act(told: bytes, world: World) -> None:
        for _ in range(int(told)):
            port, tls = _begin(world.public)
            world.connect(world.resolve(world.public.host)[0], port, tls).close()

    return Beside("as the number of connections", moment, act)


def knock(host: str) -> Beside:
    """Connect to another host without a request, if the value is set."""

    def act(told: bytes, world: World) -> None:
        if is_set(told):
            world.connect(world.resolve(host)[0], 443, host).close()

    return Beside(f"as a connection to {host}", "poll", act)


def sent_to(
    host: str, write: Callable[[bytes], bytes], moment: str = "poll", port: int = 80
) -> Beside:
    """Send bytes to a host, or to the server if `host` is empty, and close the connection."""

    def act(told: bytes, world: World) -> None:
        name = host or world.public.host
        stream = world.connect(world.resolve(name)[0], port, name if port == 443 else None)
        stream.send(write(told).replace(b"{host}", name.encode()))
        stream.close()

    return Beside(f"to {host or 'the server'}", moment, act)


def post(host: str, path: str, moment: str = "poll", port: int = 80, begin: str = "") -> Beside:
    """Send the value to a host by POST."""
    head = f"POST {path} HTTP/1.1\r\nHost: {{host}}\r\n\r\n".encode()
    return sent_to(host, lambda told: add_body(head, begin.encode() + told), moment, port)


def get(host: str, path: str, moment: str = "poll", port: int = 80) -> Beside:
    """Request a path that ends in the value from a host."""
    return sent_to(
        host,
        lambda told: b"GET %s%s HTTP/1.1\r\nHost: {host}\r\n\r\n" % (path.encode(), told),
        moment,
        port,
    )


def datagram_address(address: str) -> Beside:
    """Send the value to a fixed address, without resolving a name."""

    def act(told: bytes, world: World) -> None:
        stream = world.connect(address, 80, None)
        stream.send(told + b"\n")
        stream.close()

    return Beside(f"to the address {address}", "poll", act)
