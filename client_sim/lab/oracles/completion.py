"""Checks that polls were complete: a client that fails early sends nothing that could leak.

The server's answers decide what a poll must fetch. After learning of a new snapshot a phone asks
for it, and for each new role in it with its proof. It also asks for the parts of packs that a new
role lists and its previous version did not. Of a split `latest` it asks for the part of its own
channel. If the timestamp names no snapshot, nothing more is required. Packages are not part of a
poll: a phone asks for a missing block again later.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final

from client_sim.lab.oracles.answers import Answer, decode_answers
from client_sim.lab.trace.observation import Channel, Connection, Departure, Observation
from client_sim.world import Public

_ASKED: Final = re.compile(rb"(?:^|\r\n)GET (/[^ ?\r\n]*)[^ \r\n]* HTTP/1\.1(?=\r\n)")
_ROOT: Final = re.compile(r"/metadata/[0-9]+\.root\.json")
_PACKAGE: Final = re.compile(r"/targets/(?!(?:tables|content)/).*")
_TIMESTAMP: Final = "/metadata/timestamp.json"
_PART: Final = re.compile(r"latest-[0-9a-f]")
_ROLES: Final = ("targets", "latest", "tables", "content")
_PUBLIC: Final = re.compile(r"/metadata/[0-9]+\.(tables|content)\.json")
_PACK: Final = re.compile(r"((?:tables|content)/[a-z]+)/([0-9]{2}\.xz)")


@dataclass(frozen=True, slots=True)
class Incompletion:
    """An incomplete poll, or the exception that ended the run, with an explanation."""

    departure: Departure
    connection: Connection | None
    explanation: str


def find_incompletions(observation: Observation, public: Public) -> tuple[Incompletion, ...]:
    """Return the exception that ended the run, and the first missing item of each poll."""
    return tuple(_incompletions(observation, public))


def _incompletions(observation: Observation, public: Public) -> Iterator[Incompletion]:
    held: dict[str, int] = {}
    packs: dict[str, set[str]] = {}
    connections = observation.connections()
    for departure in observation.departures:
        if departure.channel is Channel.CRASH:
            explanation = "the client raised an exception that it should handle"
            yield Incompletion(departure, None, explanation)
        if departure.channel is not Channel.SCHEDULE:
            continue
        own = [c for c in connections if c.phase == departure.phase]
        answers = [pair for c in own for pair in _pair(c, observation.received[c.index])]
        complaint = _complaint(answers, held, packs, public) or observation.failures.get(
            departure.phase
        )
        if complaint is not None:
            yield Incompletion(departure, own[0] if own else None, complaint)


def _pair(connection: Connection, received: bytes) -> Iterator[tuple[str, Answer | None]]:
    asked = [match.decode("latin-1") for match in _ASKED.findall(connection.data)]
    answers: Sequence[Answer | None] = decode_answers(received)[: len(asked)]
    for path, answer in zip_longest(asked, answers):
        if not _PACKAGE.fullmatch(path):
            yield path, answer


def _complaint(
    answers: Sequence[tuple[str, Answer | None]],
    held: dict[str, int],
    packs: dict[str, set[str]],
    public: Public,
) -> str | None:
    """Return the first missing item of a poll as a sentence, or None.

    `held` are the role versions fetched so far and `packs` the parts that each role listed last;
    both are updated.
    """
    if not answers:
        return "the poll sent no request, so there is nothing to judge"
    given = {path: answer for path, answer in answers if answer is not None}
    roots = [answer for path, answer in answers if _ROOT.fullmatch(path)]
    statuses = [answer and answer.status for answer in roots]
    if statuses != [200] * (len(statuses) - 1) + [404]:
        return "the poll did not ask for roots until the server had no newer one"
    for path, answer in answers:
        if not _ROOT.fullmatch(path) and (answer is None or answer.status != 200):
            said = "nothing" if answer is None else str(answer.status)
            return f"the server answered {said} to {path}, so the poll is incomplete"
    if _TIMESTAMP not in given:
        return f"the poll did not ask for {_TIMESTAMP}, so nothing could be new"
    version = given[_TIMESTAMP].versions().get("snapshot", 0)
    if version <= held.get("snapshot", 0):
        return None
    snapshot = given.get(f"/metadata/{version}.snapshot.json")
    if snapshot is None:
        return f"the poll ended before snapshot {version}, which the timestamp names"
    held["snapshot"] = version
    return _missing_role(given, snapshot.versions(), held, public) or _missing_part(given, packs)


def _missing_role(
    given: dict[str, Answer], published: dict[str, int], held: dict[str, int], public: Public
) -> str | None:
    holder = _holder(published, public)
    for role in (holder if name == "latest" else name for name in _ROLES):
        version = published.get(role, 0)
        if version <= held.get(role, 0):
            continue
        wanted = [f"/metadata/{version}.{role}.json"]
        wanted += [f"/log/proof/{role}.{version}"] if role != "targets" else []
        missing = [path for path in wanted if path not in given]
        if missing:
            return f"the poll ended before {missing[0]}, which the snapshot names"
        held[role] = version
    return None


def _missing_part(given: dict[str, Answer], packs: dict[str, set[str]]) -> str | None:
    for path, answer in given.items():
        role = _PUBLIC.fullmatch(path)
        if role is None:
            continue
        listed = {
            f"/targets/{found[1]}/{sha256}.{found[2]}"
            for target, sha256 in answer.hashes().items()
            if (found := _PACK.fullmatch(target))
        }
        before, packs[role[1]] = packs.get(role[1], set()), listed
        if missing := sorted(listed - before - given.keys()):
            return f"the poll ended before {missing[0]}, which its role lists"
    return None


def _holder(published: dict[str, int], public: Public) -> str:
    """Return the role with the phone's pointer, by the first digit of its path's hash."""
    parts = len([role for role in published if _PART.fullmatch(role)])
    if not parts:
        return "latest"
    return name_part(public, parts)


def name_part(public: Public, parts: int) -> str:
    """Return the name of the phone's part of a `latest` that is split into 4 or 16 parts."""
    path = f"latest/{public.codename}/{public.region}/{public.channel}"
    digit = hashlib.sha256(path.encode()).digest()[0] >> 4
    return f"latest-{digit * parts // 16:x}"
