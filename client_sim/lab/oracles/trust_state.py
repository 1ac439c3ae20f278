"""The public trust state of a phone at each poll; polls in the same state must ask the same.

The state depends on the answers that the phone received, and not on its requests: otherwise a phone
that asks for more would have its own state, and never be compared. Two phones in the same state
must ask the same, and so must one phone at two polls. This rules out counters, slow leaks over
several polls, and numbered requests.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final

from client_sim.lab.oracles.answers import Answer, decode_answers
from client_sim.lab.oracles.fields import Field, decode_fields, name_channel
from client_sim.lab.oracles.finding import Finding
from client_sim.lab.oracles.parts import decode_parts
from client_sim.lab.trace.observation import Observation

_ROLE: Final = re.compile(
    rb"/metadata/([1-9][0-9]{0,15})\.(root|snapshot|targets|latest(?:-[0-9a-f])?|tables|content)"
    rb"\.json"
)
_TIMESTAMP: Final = b"/metadata/timestamp.json"


@dataclass(frozen=True, slots=True)
class TrustState:
    """The public data that a phone held before a poll, and that the server had then.

    `held` are role versions, `roots` is the number of newer roots, and `snapshot` the current
    version, or None if the poll did not receive it.
    """

    held: tuple[tuple[str, int], ...]
    roots: int
    snapshot: int | None


def find_trust_states(observation: Observation) -> dict[int, TrustState]:
    """Return the trust state of each poll of a run that sent something, by its number."""
    held: dict[str, int] = {}
    states: dict[int, TrustState] = {}
    for poll, answers in sorted(_answers(observation).items()):
        before = tuple(sorted(held.items()))
        roots, snapshot = 0, None
        for path, answer in answers:
            if answer is None or answer.status != 200:
                continue
            if path == _TIMESTAMP:
                snapshot = answer.versions().get("snapshot")
            elif role := _ROLE.fullmatch(path):
                held[role[2].decode()] = int(role[1])
                roots += role[2] == b"root"
        states[poll] = TrustState(before, roots, snapshot)
    return states


def _answers(observation: Observation) -> dict[int, list[tuple[bytes, Answer | None]]]:
    found: dict[int, list[tuple[bytes, Answer | None]]] = {}
    for connection in observation.connections():
        if connection.phase.startswith("poll "):
            poll = int(connection.phase.removeprefix("poll "))
            asked = [part.data for part in decode_parts(connection.data) if part.name == "path"]
            answers = decode_answers(observation.received[connection.index])[: len(asked)]
            found.setdefault(poll, []).extend(zip_longest(asked, answers))
    return found


def judge_stationarity(observation: Observation) -> tuple[Finding, ...]:
    """Find polls of a run that differ from an earlier one in the same public trust state.

    If the server publishes nothing, every poll after the first is compared with the second. A poll
    that found something new has its own state.
    """
    return tuple(_findings(observation))


def _findings(observation: Observation) -> Iterator[Finding]:
    states = find_trust_states(observation)
    first: dict[TrustState | None, tuple[int, tuple[Field, ...]]] = {}
    for poll, fields in sorted(decode_fields(observation).items()):
        known = first.setdefault(states.get(poll), (poll, fields))
        if known[1] != fields:
            yield _finding(poll, fields, *known)


def _finding(
    poll: int, fields: tuple[Field, ...], before: int, known: tuple[Field, ...]
) -> Finding:
    pairs = zip_longest(fields, known)
    ours, theirs = next((one, other) for one, other in pairs if one != other)
    there = ours or theirs
    data = ours.value if ours else b""
    return Finding(
        where=", ".join(filter(None, (f"poll {poll}", there.place))),
        explanation=(
            f"{there.name}: the value differs from that in poll {before} of the same phone in the "
            "same public trust state"
        ),
        data=data,
        offset=0,
        length=len(data),
        other=theirs.value if theirs else b"",
        channel=name_channel(there.name),
        field=there.name,
    )
