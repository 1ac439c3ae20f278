"""Auditing recorded octets: what a listener received from a client that nobody has the code of."""

from client_sim.lab.oracles.canary import CanarySearch
from client_sim.lab.oracles.finding import Finding
from client_sim.lab.oracles.grammar import find_violations
from client_sim.lab.programme.verdict import Check
from client_sim.persona import Persona, canaries

_KEPT = 50  # findings shown per check


def audit_octets(octets: bytes, host: bytes | None, persona: Persona | None) -> tuple[Check, ...]:
    """Check the octets of one connection: the grammar, and the persona's values if it is known.

    `host` is the value that Host lines must have; None takes any name, the same on every line.
    """
    violations = find_violations(octets, host)
    grammar = Check(
        "grammar",
        "Is every octet in the request table?",
        1,
        len(violations),
        tuple(
            Finding("recording", f"{v.rule}: {v.explanation}", octets, v.offset, len(v.octets))
            for v in violations[:_KEPT]
        ),
    )
    if persona is None:
        return (grammar,)
    sightings = CanarySearch(canaries(persona)).search(octets)
    found = Check(
        "canaries",
        "Is any known value of the owner to be found?",
        1,
        len(sightings),
        tuple(
            Finding(
                "recording",
                f"{s.field} as {' → '.join(s.chain) or 'it is'}: {s.value.decode()}",
                octets,
                s.offset,
                len(s.octets),
            )
            for s in sightings[:_KEPT]
        ),
    )
    return (grammar, found)
