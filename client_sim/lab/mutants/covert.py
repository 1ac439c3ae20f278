"""Covert channels outside requests: places for leaked values in times, hosts, names and traffic."""

from collections.abc import Callable
from hashlib import sha256
from typing import Final

from client_sim.device.records import forget_due
from client_sim.lab.mutants.places import is_set
from client_sim.lab.mutants.rows import (
    InClose,
    InOffer,
    InTarget,
    InTime,
    SideAction,
    Target,
)
from client_sim.lab.mutants.spy import add_body
from client_sim.world import Stream, World

_SHORTEST: Final = 14_400  # seconds of an interval
_LONGEST: Final = 28_800


# The time of the next poll.


def later(seconds: int) -> InTime:
    """Return a place that delays the poll by `seconds` times the value.

    A poll that would leave the range of intervals is moved in the other direction instead.
    """

    def put(value: bytes, now: float, due: float) -> float:
        shift = seconds * int(value or b"0")
        return due + shift if _SHORTEST <= due + shift - now <= _LONGEST else due - shift

    return InTime(f"as {seconds} seconds of delay", put, at_draw=True)


def sooner(seconds: int) -> InTime:
    """Return a place that advances the poll by `seconds` times the value, up to the minimum."""
    return InTime(
        f"as {seconds} seconds less",
        lambda value, now, due: max(now + _SHORTEST, due - seconds * int(value)),
        at_draw=True,
    )


def _put_in_the_night(value: bytes, _now: float, due: float) -> float:
    """Poll between one and six o'clock in the time zone whose offset is the value, like +0700."""
    offset = 3600 * int(value[:3]) + 60 * int(value[:1] + value[3:5])
    while not 1 <= (due + offset) // 3600 % 24 < 6:
        due += 3600
    return due


IN_THE_NIGHT: Final = InTime("as the time of the poll, in the night", _put_in_the_night)


def low_part(size: int) -> InTime:
    """Return a place that replaces the remainder of the time modulo `size` by the value.

    The interval stays in its range.
    """

    def put(value: bytes, now: float, due: float) -> float:
        whole = int(due)
        other = float(whole - whole % size + int(value) % size)
        if other < now + _SHORTEST:
            return other + size
        return other if other <= now + _LONGEST else other - size

    return InTime(f"as the rest of the time by {size}", put, at_draw=True)


THOUSANDTHS: Final = InTime(
    "as thousandths of a second",
    lambda value, _now, due: int(due) + int(value) % 1000 / 1000,
)
INTERVAL: Final = InTime(
    "as the interval",
    lambda value, now, _due: now + _SHORTEST + int(value) % (_SHORTEST + 1),
    at_draw=True,
)
INTERVAL_FROM_CALL: Final = InTime(
    "as the interval from when it is asked",
    lambda value, now, _due: now + _SHORTEST + int(value) % (_SHORTEST + 1),
)
SHIFTED: Final = InTime(
    "as a shift of the interval",
    lambda value, now, due: (
        now + _SHORTEST + (due - now - _SHORTEST + int(value)) % (_SHORTEST + 1)
    ),
    at_draw=True,
)
SOON: Final = InTime("within the hour", lambda _value, now, _due: now + 3_000, at_draw=True)
WAIT: Final = InTime(
    "as the interval", lambda value, now, due: now + int(value) if value.isdigit() else due
)
EVERY_SIX_HOURS: Final = InTime(
    "as the second of the hour, every six hours",
    lambda value, now, _due: float((int(now) // 21_600 + 1) * 21_600 + int(value)),
)


def _parity(value: bytes, now: float, due: float) -> float:
    other = due + ((int(due - now) ^ int(value)) & 1)
    return other if other <= now + _LONGEST else other - 2


INTERVAL_PARITY: Final = InTime("as the parity of an interval", _parity, at_draw=True)
HALF: Final = InTime(
    "by half of the interval",
    lambda value, now, due: now + (due - now) / 2 if is_set(value) else due,
    at_draw=True,
)


# The target of a connection.

HOST_LABEL: Final = InTarget(
    "below the host", lambda value, target: target._replace(host=f"{value.decode()}.{target.host}")
)
TLS_LABEL: Final = InTarget(
    "in the name for TLS",
    lambda value, target: target._replace(port=443, tls=f"{value.decode()}.{target.host}"),
)
TLS_CASE: Final = InTarget(
    "as the case of the name for TLS",
    lambda value, target: target._replace(
        tls=target.host.upper() if is_set(value) else target.host
    ),
)


def _use_other_endpoint(value: bytes, target: Target) -> Target:
    host, _, port = value.decode("latin-1").rpartition(":")
    name = host or target.host
    return target._replace(host=name, port=int(port), tls=name) if port.isdecimal() else target


OTHER_ENDPOINT: Final = InTarget("as the host and port", _use_other_endpoint)
SECURE: Final = InTarget(
    "as TLS", lambda _value, target: target._replace(port=443, tls=target.host)
)


ADDRESS: Final = InTarget(
    "as the choice of an address",
    lambda value, target: target._replace(address=int(value)),
)


# The end of a connection, and the choice of an offer.


def _read_on(value: bytes, stream: Stream) -> None:
    if is_set(value):
        stream.recv(1)
    stream.close()


def _close_twice(value: bytes, stream: Stream) -> None:
    stream.close()
    if is_set(value):
        stream.close()


OPEN: Final = InClose(
    "as a connection that stays open",
    lambda value, stream: None if is_set(value) else stream.close(),
)
READ_ON: Final = InClose("by waiting until the server closes the connection", _read_on)
CLOSED_TWICE: Final = InClose("as a second close of a connection", _close_twice)
IGNORED: Final = InOffer("by ignoring an offer", is_set)


# In addition to the honest polls.


def stored(moment: str = "poll") -> SideAction:
    """Store the value without sending it."""

    def act(value: bytes, world: World) -> None:
        world.state["pending"] = value

    return SideAction("to itself", moment, act)


DRAWN_AGAIN: Final = SideAction(
    "as another time of the next poll at each start",
    "start",
    lambda _value, world: forget_due(world.state),
)


def _shift_due(value: bytes, world: World) -> None:
    due = float(world.state["due"]) + 60 * int(value)
    world.state["due"] = repr(due).encode()


SHIFTED_BY_JOURNEY: Final = SideAction(
    "as minutes of delay at each journey", "travelled", _shift_due
)


def forget(role: str, moment: str = "poll") -> SideAction:
    """Forget a role that the phone holds, so that it is requested again."""

    def act(_value: bytes, world: World) -> None:
        world.state.pop(f"role.{role}", None)

    when = " at each start" if moment == "start" else ""
    return SideAction(f"as another request for {role}{when}", moment, act)


def change_place(moment: str) -> SideAction:
    """Replace the rollout secret by one derived from it, which changes the phone's place."""

    def act(value: bytes, world: World) -> None:
        world.state["secret"] = sha256(value + world.state.get("secret", b"")).digest()

    return SideAction(f"as another place in rollouts at each {moment}", moment, act)


def lookup(name: str, moment: str = "poll") -> SideAction:
    """Resolve a name; `{}` is the value, `{host}` the server's name."""

    def act(value: bytes, world: World) -> None:
        world.resolve(name.format(value.decode(), host=world.public.host))

    shown = name.replace(".{host}", " below the server's name").replace("{}", "*")
    return SideAction(f"in a question for {shown}", moment, act)


def lookups(moment: str = "poll") -> SideAction:
    """Resolve the server's name again, as often as the value says."""

    def act(value: bytes, world: World) -> None:
        for _ in range(int(value)):
            world.resolve(world.public.host)

    return SideAction("as the number of questions", moment, act)


def connections(moment: str = "poll") -> SideAction:
    """Connect to the server without a request, as often as the value says."""

    def act(value: bytes, world: World) -> None:
        for _ in range(int(value)):
            public = world.public
            tls = public.host if public.tls else None
            world.connect(world.resolve(public.host)[0], public.port, tls).close()

    return SideAction("as the number of connections", moment, act)


def sent_to(
    host: str, write: Callable[[bytes], bytes], moment: str = "poll", port: int = 80
) -> SideAction:
    """Send bytes to a host, or to the server if `host` is empty, and close the connection."""

    def act(value: bytes, world: World) -> None:
        name = host or world.public.host
        stream = world.connect(world.resolve(name)[0], port, name if port == 443 else None)
        stream.send(write(value).replace(b"{host}", name.encode()))
        stream.close()

    return SideAction(f"to {host or 'the server'}", moment, act)


def post(host: str, path: str, moment: str = "poll", port: int = 80, begin: str = "") -> SideAction:
    """Send the value to a host by POST."""
    head = f"POST {path} HTTP/1.1\r\nHost: {{host}}\r\n\r\n".encode()
    return sent_to(host, lambda value: add_body(head, begin.encode() + value), moment, port)
