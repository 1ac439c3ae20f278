"""A fault of a server or a network, and where in a poll it strikes."""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

from client_sim.lab.servers.replies import Alter, Reply, Wrap, alter_replies, only_at
from client_sim.lab.trace.memory import Asked, Responder

PLACES: Final = {
    "root": r"/metadata/[0-9]+\.root\.json",
    "timestamp": r"/metadata/timestamp\.json",
    "snapshot": r"/metadata/[0-9]+\.snapshot\.json",
    "targets": r"/metadata/[0-9]+\.targets\.json",
    "latest": r"/metadata/[0-9]+\.latest\.json",
    "tables": r"/metadata/[0-9]+\.tables\.json",
    "proof": r"/log/proof/latest\.[0-9]+",
}
"""The requests of a poll in which a fault can strike, as patterns of their targets."""

_TARGET: Final = re.compile(rb"[A-Z]+ ([^ ?\r\n]+)")


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault; `wrap` makes a server that has it out of one that has not.

    `is_reached` tells whether a request leaves at all: no name and no connection, no request.
    """

    name: str
    wrap: Wrap
    is_reached: bool = True

    def at(self, connections: Collection[int]) -> Wrap:
        """Give the wrap in which the fault strikes in some connections of a run, from 0."""
        return only_at(connections, self.wrap)


def is_at(place: str, target: str) -> bool:
    """Tell whether a request's target is at a place of a poll."""
    return re.fullmatch(PLACES[place], target.partition("?")[0]) is not None


def say_instead(place: str, say: Callable[[Reply], Reply]) -> Wrap:
    """Make the wrap that says something else at a place of a poll."""

    def alter(_asked: Asked, target: str, reply: Reply) -> Reply:
        return say(reply) if is_at(place, target) else reply

    made: Alter = alter
    return alter_replies(made)


def send_instead(place: str, send: Callable[[bytes], bytes]) -> Wrap:
    """Make the wrap that sends other octets at a place of a poll; it is given those of before."""

    def wrap(respond: Responder) -> Responder:
        def broken(asked: Asked) -> bytes:
            match = _TARGET.match(asked.octets)
            octets = respond(asked)
            if match is None or not is_at(place, match[1].decode("latin-1")):
                return octets
            return send(octets)

        return broken

    return wrap
