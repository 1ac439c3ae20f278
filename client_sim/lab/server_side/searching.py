"""Judging what was found of planted values: in answers, files and metrics."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from client_sim.lab.oracles.canary import Sighting
from client_sim.lab.oracles.finding import Finding
from client_sim.lab.server_side.contents import load_contents
from client_sim.lab.server_side.peers import count_ports, is_telling
from client_sim.lab.server_side.places import load_chunks
from client_sim.lab.server_side.sieve import Sieve

_AROUND: Final = 48  # octets shown before and behind a value


def judge_octets(
    where: str, octets: bytes, sieves: Sequence[Sieve], base: int = 0
) -> Iterator[Finding]:
    """Find values in octets: of each position the reading with the fewest steps, once.

    `base` is where the octets begin in what they are from.
    """
    best: dict[str, Sighting] = {}
    for sieve in sieves:
        for sighting in sieve.find(octets):
            known = best.get(sighting.field)
            if known is None or _rank(sighting) < _rank(known):
                best[sighting.field] = sighting
    for position, sighting in best.items():
        start = max(sighting.offset - _AROUND, 0)
        length = max(len(sighting.octets), 1)
        shown = octets[start : sighting.offset + length + _AROUND]
        inner = shown[sighting.offset - start :].startswith(sighting.octets)
        how = f", {', then '.join(sighting.chain)}" if sighting.chain else ""
        yield Finding(
            where=f"{where}, octet {base + sighting.offset}",
            explanation=f"{position} is there{how}",
            # Behind a step that decodes, the decoded octets say more than the encoded ones.
            octets=shown if inner else sighting.octets,
            offset=sighting.offset - start if inner else 0,
            length=length,
        )


def judge_files(
    changed: Mapping[str, tuple[Path, int]], sieves: Sequence[Sieve], ports: frozenset[int]
) -> Iterator[Finding]:
    """Find values in the names and octets of files, and in what their formats hold."""
    for name, (path, start) in changed.items():
        label = name.encode(errors="surrogateescape")
        yield from judge_octets(f"the name {name}", label, sieves)
        found: dict[str, Finding] = {}
        for offset, octets in load_chunks(path, start):
            for finding in judge_octets(name, octets, sieves, offset):
                found.setdefault(finding.explanation, finding)
            yield from _judge_ports(name, octets, ports)
        for words, octets in load_contents(path):
            for finding in judge_octets(f"{name}, {words}", octets, sieves):
                found.setdefault(finding.explanation, finding)
        yield from found.values()


def _judge_ports(name: str, octets: bytes, ports: frozenset[int]) -> Iterator[Finding]:
    ours, others = count_ports(octets, ports)
    if is_telling(ours, others):
        yield Finding(
            where=name,
            explanation=f"{ours} of our {len(ports)} ports stand there, and {others} of others",
            octets=octets[:_AROUND],
            offset=0,
            length=min(len(octets), _AROUND),
        )


def _rank(sighting: Sighting) -> tuple[int, int]:
    return len(sighting.chain), -len(sighting.octets)
