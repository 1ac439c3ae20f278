"""A phone in a quiet world asks the same every time: no counter, no drip, no number per request."""

from collections.abc import Iterator
from itertools import zip_longest

from client_sim.lab.oracles.fields import Field, decode_fields, name_channel
from client_sim.lab.oracles.finding import Finding
from client_sim.lab.oracles.trust_state import TrustState, find_trust_states
from client_sim.lab.trace.observation import Observation


def judge_stationarity(observation: Observation) -> tuple[Finding, ...]:
    """Find polls of one run that differ from an earlier one in the same public trust state.

    In a quiet world every poll after the first is compared with the second. Where a server
    publishes, polls in which something was new are in states of their own.
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
            f"{there.name} is not what poll {before} of the same phone showed in the same public "
            "trust state"
        ),
        data=data,
        offset=0,
        length=len(data),
        other=theirs.value if theirs else b"",
        channel=name_channel(there.name),
        field=there.name,
    )
