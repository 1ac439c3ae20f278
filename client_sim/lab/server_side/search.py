"""The search for planted values in all places, and the growth of files with requests.

Values that a server hid well, for example under a key of its own, cannot be searched for. But a
server that writes something for each request has growing files, and one that keeps nothing has not.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from client_sim.lab.oracles.canary import Sighting
from client_sim.lab.oracles.finding import Finding
from client_sim.lab.server_side.canaries import (
    Sieve,
    Sieves,
    count_ports,
    is_significant,
    make_peer_sieve,
)
from client_sim.lab.server_side.exchange import Peer
from client_sim.lab.server_side.places import (
    Places,
    check_process,
    find_changed,
    list_files,
    load_chunks,
    load_contents,
    load_page,
    load_states,
)

_AROUND: Final = 48  # bytes shown before and after a value

_BYTES_PER_REQUEST: Final = 4  # a useful record is not shorter
Sizes = Mapping[str, int]


def check_places(places: Places) -> None:
    """Raise EnvironmentFailedError if a place cannot be read; called before anything is sent."""
    for pid in places.processes:
        check_process(pid)
    for url in places.metrics:
        load_page(url)


class Search:
    """Searches places for sent values; data that existed when it was constructed is skipped.

    `files` is the number of files at the last search; `in_files` and `in_metrics` are the findings.
    """

    def __init__(self, places: Places, canaries: Sieve) -> None:
        self.in_files: list[Finding] = []
        self.in_metrics: list[Finding] = []
        self._places = places
        self._canaries = canaries
        self._sieves = Sieves(canaries)
        self._has_ends = False
        self._listed = list_files(places)
        self._states = load_states(self._listed)
        self.files = len(self._states)

    def scan(self, ends: Sequence[Peer]) -> None:
        """Search the changed data; `ends` are the client's ends of the connections."""
        if not self._has_ends:
            self._sieves = Sieves(self._canaries, make_peer_sieve(ends))
            self._has_ends = True
        ports = frozenset(port for _, port in ends)
        # Files that a process had open before its restart are still searched, by their names.
        files = self._listed = self._listed | list_files(self._places)
        changed = find_changed(files, self._states)
        self._states = load_states(files)
        self.files = len(files)
        _extend(self.in_files, judge_files(changed, self._sieves, ports))
        for url in self._places.metrics:
            _extend(self.in_metrics, judge_bytes(url, load_page(url), self._sieves))

    def judge_answers(self, answers: Iterable[bytes]) -> Iterator[Finding]:
        """Find values in answers."""
        for number, answer in enumerate(answers, 1):
            yield from judge_bytes(f"distinct answer {number}", answer, self._sieves)


def _extend(found: list[Finding], extra: Iterable[Finding]) -> None:
    known = {finding.explanation for finding in found}
    found += [finding for finding in extra if finding.explanation not in known]


def judge_bytes(where: str, data: bytes, sieves: Sieves, base: int = 0) -> Iterator[Finding]:
    """Find values in bytes; for each position of a canary, only the one with the fewest steps.

    `base` is the offset of the bytes in their file.
    """
    best: dict[str, Sighting] = {}
    for sighting in sieves.find(data):
        known = best.get(sighting.field)
        if known is None or _rank(sighting) < _rank(known):
            best[sighting.field] = sighting
    for position, sighting in best.items():
        start = max(sighting.offset - _AROUND, 0)
        length = max(len(sighting.data), 1)
        excerpt = data[start : sighting.offset + length + _AROUND]
        inner = excerpt[sighting.offset - start :].startswith(sighting.data)
        steps = f", {', then '.join(sighting.chain)}" if sighting.chain else ""
        yield Finding(
            where=f"{where}, byte {base + sighting.offset}",
            explanation=f"{position} is there{steps}",
            # A decoded value is shown decoded, which is more useful.
            data=excerpt if inner else sighting.data,
            offset=sighting.offset - start if inner else 0,
            length=length,
        )


def judge_files(
    changed: Mapping[str, tuple[Path, int]], sieves: Sieves, ports: frozenset[int]
) -> Iterator[Finding]:
    """Find values in the names of files, in their bytes, and in their decoded contents."""
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
    own, others = count_ports(data, ports)
    if is_significant(own, others):
        yield Finding(
            where=name,
            explanation=f"{own} of our {len(ports)} ports occur in it, and {others} others",
            data=data[:_AROUND],
            offset=0,
            length=min(len(data), _AROUND),
        )


def _rank(sighting: Sighting) -> tuple[int, int]:
    return len(sighting.chain), -len(sighting.data)


def judge_growth(before: Sizes, after: Sizes, idle: Sizes, requests: int) -> Iterator[Finding]:
    """Find files that grew with the requests by more than twice as much as without them.

    The sizes are those before the requests, after them, and after a pause of the same length. A new
    file counts as grown from zero. Many new files are a finding, too.
    """
    for name, size in after.items():
        extra = size - before.get(name, 0) - 2 * max(idle.get(name, size) - size, 0)
        if extra >= requests * _BYTES_PER_REQUEST:
            yield _finding(name, f"grew by {extra} bytes", requests)
    new = sorted(after.keys() - before.keys())
    if len(new) - 2 * len(idle.keys() - after.keys()) >= requests // 2:
        yield _finding(new[0], f"and {len(new) - 1} other files appeared", requests)


def _finding(name: str, words: str, requests: int) -> Finding:
    data = name.encode(errors="surrogateescape")
    return Finding(
        where=name,
        explanation=f"{words} during {requests} plain requests: the server writes for each",
        data=data,
        offset=0,
        length=len(data),
    )
