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

_AROUND: Final = 48  # bytes shown before and after a value


def judge_bytes(
    where: str, data: bytes, sieves: Sequence[Sieve], base: int = 0
) -> Iterator[Finding]:
    """Find values in bytes: of each position the reading with the fewest steps, once.

    `base` is where the bytes begin in what they are from.
    """
    best: dict[str, Sighting] = {}
    for sieve in sieves:
        for sighting in sieve.find(data):
            known = best.get(sighting.field)
            if known is None or _rank(sighting) < _rank(known):
                best[sighting.field] = sighting
    for position, sighting in best.items():
        start = max(sighting.offset - _AROUND, 0)
        length = max(len(sighting.data), 1)
        shown = data[start : sighting.offset + length + _AROUND]
        inner = shown[sighting.offset - start :].startswith(sighting.data)
        how = f", {', then '.join(sighting.chain)}" if sighting.chain else ""
        yield Finding(
            where=f"{where}, byte {base + sighting.offset}",
            explanation=f"{position} is there{how}",
            # After a step that decodes, the decoded bytes say more than the encoded ones.
            data=shown if inner else sighting.data,
            offset=sighting.offset - start if inner else 0,
            length=length,
        )


def judge_files(
    changed: Mapping[str, tuple[Path, int]], sieves: Sequence[Sieve], ports: frozenset[int]
) -> Iterator[Finding]:
    """Find values in the names and bytes of files, and in what their formats hold."""
    for name, (path, start) in changed.items():
        label = name.encode(errors="surrogateescape")
        yield from judge_bytes(f"the name {name}", label, sieves)
        found: dict[str, Finding] = {}
        for offset, data in load_chunks(path, start):
            for finding in judge_bytes(name, data, sieves, offset):
                found.setdefault(finding.explanation, finding)
            yield from _judge_ports(name, data, ports)
        for words, data in load_contents(path):
            for finding in judge_bytes(f"{name}, {words}", data, sieves):
                found.setdefault(finding.explanation, finding)
        yield from found.values()


def _judge_ports(name: str, data: bytes, ports: frozenset[int]) -> Iterator[Finding]:
    ours, others = count_ports(data, ports)
    if is_telling(ours, others):
        yield Finding(
            where=name,
            explanation=f"{ours} of our {len(ports)} ports stand there, and {others} of others",
            data=data[:_AROUND],
            offset=0,
            length=min(len(data), _AROUND),
        )


def _rank(sighting: Sighting) -> tuple[int, int]:
    return len(sighting.chain), -len(sighting.data)
