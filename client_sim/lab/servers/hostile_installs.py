"""Pairs of servers for phones that install: what differs stands where they fetch the offer, too."""

from http import HTTPStatus
from itertools import product
from typing import Final

from client_sim.lab.servers.fault import INSTALL_PLACES, is_at
from client_sim.lab.servers.hostile_fields import FIELDS
from client_sim.lab.servers.pairs import HostilePair, Mark, make_pair
from client_sim.lab.servers.replies import Alter, Reply

# Status, field, value. {t} is a token, {n} seconds, {d} a date.
_REFUSALS: Final = (
    (302, "Location", "/u/{t}/7.zip"),
    (307, "Location", "http://{t}.example.org/7.zip"),
    (503, "Retry-After", "{n}"),
    (429, "Retry-After", "{d}"),
    (401, "WWW-Authenticate", 'Digest realm="r", nonce="{t}"'),
    (416, "Content-Range", "bytes */{n}"),
    (304, "ETag", '"{t}"'),
)


def _refuse(place: str, status: int, name: str, value: str) -> HostilePair:
    def make(mark: Mark) -> Alter:
        filled = value.format(t=mark.text, n=mark.number, d=mark.date)
        fields = ((name, filled), ("Content-Length", "0"))
        instead = Reply(status, HTTPStatus(status).phrase, fields, b"")
        return lambda _asked, target, reply: instead if is_at(place, target) else reply

    return make_pair(f"{status} at {place}", name, make)


INSTALLING: Final[tuple[HostilePair, ...]] = (
    *(_refuse(place, *refusal) for refusal, place in product(_REFUSALS, INSTALL_PLACES)),
    *FIELDS,
)
"""Pairs that refuse an installation, then those whose fields are in all answers."""
