"""Triggers of rows: certain owners, phones and times, or something that has happened."""

import re
import time
from collections.abc import Callable
from hashlib import sha256
from ipaddress import ip_address, ip_network
from typing import Final
from weakref import WeakKeyDictionary

from client_sim.device.records import load_failed
from client_sim.lab.mutants.rows import Trigger
from client_sim.lab.mutants.spy import Spy
from client_sim.persona import Persona
from client_sim.world import Public, World

_DAY: Final = 86_400
_RESERVED: Final = (".example", ".test", ".invalid", ".localhost", "example.org", "example.com")
_DOCUMENTATION: Final = tuple(
    map(ip_network, ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "127.0.0.0/8"))
)

_PRIVATE: Final = (b"10.", b"192.168.", b"172.16.", b"172.2", b"172.30.", b"172.31.")


def owners(phrase: str, predicate: Callable[[Persona], bool]) -> Trigger:
    """Wait for certain owners."""
    return Trigger(f"of owners {phrase}", lambda spy: predicate(spy.owner))


def phones(phrase: str, predicate: Callable[[Public], bool]) -> Trigger:
    """Wait for certain public facts: a model, a region, a server."""
    return Trigger(phrase, lambda spy: predicate(spy.world.public))


def has_odd_digest(value: bytes) -> bool:
    """Return whether a value is not empty and the first byte of its digest is odd."""
    return bool(value) and sha256(value).digest()[0] % 2 == 1


def polls(phrase: str, predicate: Callable[[int], bool]) -> Trigger:
    """Wait for certain numbers of the poll, from 1."""
    return Trigger(phrase, lambda spy: predicate(spy.get_count("polls")))


def at_times(phrase: str, predicate: Callable[[time.struct_time], bool]) -> Trigger:
    """Wait for certain times of the phone's clock, in UTC."""
    return Trigger(phrase, lambda spy: predicate(time.gmtime(spy.world.now())))


def since_last(phrase: str, predicate: Callable[[int], bool]) -> Trigger:
    """Wait for certain numbers of seconds between a poll and the previous one."""
    return Trigger(phrase, lambda spy: predicate(spy.get_count("since")))


def older_than(seconds: int) -> Trigger:
    """Wait until `seconds` after the first poll."""
    return Trigger(
        f"when it is older than {seconds // _DAY} days",
        lambda spy: spy.world.now() > int(spy.world.state.get("born", b"9" * 12)) + seconds,
    )


def after(*names: str, times: int = 1) -> Trigger:
    """Wait until occurrences with these names were recorded `times` times in total."""
    header_seen = f"after {' or '.join(names)}"
    return Trigger(
        header_seen if times == 1 else f"{header_seen}, {times} times",
        lambda spy: sum(spy.get_count(name) for name in names) >= times,
    )


def polls_after(name: str, number: int) -> Trigger:
    """Wait for the poll that is `number` polls after an occurrence, or with 0 for the same poll."""
    return Trigger(
        f"in poll {number} after {name}" if number else f"in the poll of {name}",
        lambda spy: spy.polls_since(name) == number,
    )


def after_poll_with(name: str) -> Trigger:
    """Wait for the poll after one with an occurrence, whether or not it occurs again."""
    return Trigger(
        f"in the poll after one with {name}",
        lambda spy: (
            spy.polls_since(name) == 1
            or (spy.polls_since(name) == 0 and spy.get_count(f"row of {name}") > 0)
        ),
    )


def each_poll_since(event: str, name: str, number: int) -> Trigger:
    """Wait until `name` occurred in each poll since an event, in at least `number` polls."""

    def holds(spy: Spy) -> bool:
        polls = spy.polls_since(event) or 0
        streak = spy.get_count(f"row of {name}") + 1
        return spy.polls_since(name) == 0 and number <= polls <= streak

    return Trigger(f"after {number} polls with {name} since {event}", holds)


def _once_for_each(phrase: str, count: Callable[[Spy], int]) -> Trigger:
    """Wait for a number that is larger than at the previous check."""

    def holds(spy: Spy) -> bool:
        number, noticed = count(spy), spy.get_count(f"noticed {phrase}")
        spy.world.state[f"noticed {phrase}"] = b"%d" % max(number, noticed)
        return number > noticed

    return Trigger(f"once after {phrase}", holds)


def once_after(name: str) -> Trigger:
    """Wait for the first check after each occurrence."""
    return _once_for_each(name, lambda spy: spy.get_count(name))


def in_a_row(name: str) -> Trigger:
    """Wait for an occurrence in two consecutive polls."""
    return Trigger(
        f"after 2 polls with {name}",
        lambda spy: spy.polls_since(name) == 0 and spy.get_count(f"row of {name}") > 0,
    )


def requested(pattern: bytes, phrase: str) -> Trigger:
    """Wait until a request on the current connection matches a pattern."""
    return Trigger(
        f"after a request for {phrase}",
        lambda spy: re.search(pattern, spy.world.state.get("requested", b"")) is not None,
    )


def drawn_one_in(number: int) -> Trigger:
    """Wait for one poll in `number`, chosen by a draw of its own."""

    def holds(spy: Spy) -> bool:
        poll = b"%d" % spy.get_count("polls")
        if spy.world.state.get("drawn in") != poll:
            spy.world.state["drawn in"] = poll
            spy.world.state["drawn"] = spy.world.entropy(1)
        return spy.world.state["drawn"][0] % number == 0

    return Trigger(f"in one drawn poll of {number}", holds)


def in_order(*names: str) -> Trigger:
    """Wait until the last occurrences of these names are in this order."""

    def holds(spy: Spy) -> bool:
        places = [spy.position_of(name) for name in names]
        return 0 not in places and places == sorted(places)

    return Trigger(f"after {', '.join(names)} in this order", holds)


def header_matches(header: str, phrase: str, predicate: Callable[[bytes], bool]) -> Trigger:
    """Wait for certain values of a server's header."""
    return Trigger(phrase, lambda spy: predicate(spy.header(header)), header=header)


def header_seen(header: str) -> Trigger:
    """Wait until a server has sent a header."""
    return header_matches(header, f"after a header {header}", bool)


def both(one: Trigger, other: Trigger) -> Trigger:
    """Wait for two triggers together."""
    return Trigger(
        f"{one.phrase}, {other.phrase}",
        lambda spy: one.holds(spy) and other.holds(spy),
        header=one.header or other.header,
    )


FIRST: Final = polls("in the first poll", lambda number: number == 1)
RESTARTED: Final = after("start", times=2)
TLS: Final = phones("over TLS", lambda public: public.tls)
PLAIN: Final = phones("without TLS", lambda public: not public.tls)
NAMED: Final = phones(
    "to servers with a name", lambda public: not public.host.replace(".", "").isdecimal()
)
REAL_HOST: Final = phones(
    "to hosts with ordinary names", lambda public: not public.host.endswith(_RESERVED)
)
REAL_NUMBERS: Final = owners(
    "whose numbers are not test numbers",
    lambda owner: (
        not owner.imei.startswith("00")
        and not owner.imsi.startswith("001")
        and not owner.phone_number.startswith("+999")
    ),
)
FAILED_BOOT: Final = _once_for_each(
    "the first build that did not boot", lambda spy: min(1, len(load_failed(spy.world.state)))
)
EACH_FAILED_BOOT: Final = _once_for_each(
    "each build that did not boot", lambda spy: len(load_failed(spy.world.state))
)


def _has_real_address(spy: Spy) -> bool:
    address = ip_address(spy.world.state["server address"].decode())
    return not any(address in network for network in _DOCUMENTATION)


_BIRTHS: Final[WeakKeyDictionary[World, int]] = WeakKeyDictionary()
"""The time of each phone's first poll, which a reset does not clear."""


def _is_reset(spy: Spy) -> bool:
    born = spy.get_count("born")
    return born > 0 and born > _BIRTHS.setdefault(spy.world, born)


def _is_unpolled_after_reset(spy: Spy) -> bool:
    if born := spy.get_count("born"):
        _BIRTHS.setdefault(spy.world, born)
    return not born and spy.world in _BIRTHS


def _is_first_of_day(spy: Spy) -> bool:
    last = spy.get_count("last")
    return spy.get_count("polls") == 1 or last // _DAY != (last - spy.get_count("since")) // _DAY


DAILY: Final = Trigger("in the first poll of each day", _is_first_of_day)
RESET: Final = Trigger("after a reset", _is_reset)
RESET_UNPOLLED: Final = Trigger("before the first poll after a reset", _is_unpolled_after_reset)
BUSY: Final = Trigger(
    "after 25 events between two polls", lambda spy: spy.get_count("events between polls") >= 25
)
AFTER_QUIET: Final = Trigger(
    "after an event that follows twenty polls without events",
    lambda spy: spy.polls_since("event") == 1 and spy.get_count("polls before event") >= 20,
)
REAL_ADDRESS: Final = Trigger("at ordinary addresses", _has_real_address)
PRIVATE_ADDRESS: Final = Trigger(
    "at private addresses",
    lambda spy: spy.world.state.get("server address", b"").startswith(_PRIVATE),
)
