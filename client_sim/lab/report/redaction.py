"""Which octets and words of a report are somebody's, and what is shown in their place."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final, Protocol
from urllib.parse import quote_plus

from client_sim.lab.oracles.canary import CanarySearch, Sighting
from client_sim.lab.oracles.finding import Finding
from client_sim.persona import Persona, canaries

COVER: Final = b"*"

_SHORTEST: Final = 5  # octets: shorter values stand in every report by chance
_TEXT_STEPS: Final = ("base16", "base32", "base64", "unescape url")
_WORD: Final = re.compile(rb"[A-Za-z0-9%+/_=.-]+")
_ROUNDS: Final = 16  # of a search that finds one dress of a value each time
_MANY: Final = 2000  # values for which encodings are computed in advance


class Redaction(Protocol):
    """What a report asks before it shows anything."""

    def octets(self, octets: bytes) -> bytes:
        """Give octets of the same length, with personal values covered."""

    def text(self, text: str) -> str:
        """Give a text with labels such as `imei(15 digits)` in place of personal values."""

    def sighting(self, finding: Finding) -> Finding:
        """Cover a finding of the canary search, which itself says which octets are a value."""


class Revealed:
    """Covers nothing: for made-up owners, and for those who asked to see."""

    def octets(self, octets: bytes) -> bytes:
        """Give them as they are."""
        return octets

    def text(self, text: str) -> str:
        """Give it as it is."""
        return text

    def sighting(self, finding: Finding) -> Finding:
        """Give it as it is."""
        return finding


class Covered:
    """Covers the values of some owners.

    Values are recognised as they are and behind one encoding or digest, or two that can be undone.
    What a client hid better than that stays, and says nothing to a reader who does not know it.
    """

    def __init__(self, owners: Iterable[Persona]) -> None:
        values = _values(owners)
        total = sum(len(own) for own in values.values())
        self._search = CanarySearch(values, 1 if total <= _MANY else 0)
        self._labels = {
            value: f"{field}({_measure(value.decode())})"
            for field, own in values.items()
            for value in own
        }
        # In a form a space is a plus sign, which no encoding of the search has.
        self._labels |= {quote_plus(value).encode(): said for value, said in self._labels.items()}
        longest = sorted(self._labels, key=len, reverse=True)
        self._plain = re.compile(b"|".join(map(re.escape, longest)) or b"(?!)")

    def octets(self, octets: bytes) -> bytes:
        """Put a star in place of each octet of a personal value."""
        covered = bytearray(octets)
        for start, stop, _ in self._spans(octets):
            covered[start:stop] = COVER * (stop - start)
        return bytes(covered)

    def text(self, text: str) -> str:
        """Put a label in place of each personal value."""
        octets = text.encode("utf-8", "surrogatepass")
        spans = list(_apart(self._spans(octets)))
        if not spans:
            return text
        shown, done = [], 0
        for start, stop, label in spans:
            shown += [octets[done:start], label.encode()]
            done = stop
        return b"".join([*shown, octets[done:]]).decode("utf-8", "backslashreplace")

    def sighting(self, finding: Finding) -> Finding:
        """Cover the value whoever its owner is, and however it was dressed."""
        head, _, value = finding.explanation.partition(": ")
        label = f"{head.split(' as ')[0]}({_measure(value)})"
        start, stop = finding.offset, finding.offset + len(finding.offending())
        octets = finding.octets[:start] + COVER * (stop - start) + finding.octets[stop:]
        return replace(finding, explanation=f"{head}: {label}", octets=octets)

    def _spans(self, octets: bytes) -> Iterator[tuple[int, int, str]]:
        rest = bytearray(octets)
        spans = [(m.start(), m.end(), self._labels[m[0]]) for m in self._plain.finditer(octets)]
        # A value that stands there twice is found in one dress: the other one shows when that is
        # covered. A reading of the whole text does not say where a value stands, so it comes last.
        for _ in range(_ROUNDS):
            yield from spans
            for start, stop, _label in spans:
                rest[start:stop] = COVER * (stop - start)
            found = self._search.search(bytes(rest))
            placed = [each for each in found if not _is_whole_text(each)]
            spans = [_span(octets, each) for each in placed or found]
            if not spans:
                return
        yield 0, len(octets), "several values"


def _values(owners: Iterable[Persona]) -> Mapping[str, tuple[bytes, ...]]:
    found: dict[str, dict[bytes, None]] = {}
    for owner in owners:
        shared = {
            name: (getattr(owner, name).encode(),) for name in ("locale", "time_zone", "carrier")
        }
        for field, values in (*canaries(owner).items(), *shared.items()):
            own = found.setdefault(field, {})
            own |= {value: None for value in values if len(value) >= _SHORTEST}
    return {field: tuple(own) for field, own in found.items()}


def _span(octets: bytes, sighting: Sighting) -> tuple[int, int, str]:
    label = f"{sighting.field}({_measure(sighting.value.decode())})"
    return sighting.offset, _end(octets, sighting), label


def _undone(sighting: Sighting) -> list[str]:
    return [step for step in sighting.chain if step.startswith("undone by ")]


def _is_whole_text(sighting: Sighting) -> bool:
    undone = _undone(sighting)
    return bool(undone) and sighting.offset == 0 and not undone[-1].endswith(_TEXT_STEPS)


def _end(octets: bytes, sighting: Sighting) -> int:
    """Give the offset behind the octets that a value was read from."""
    undone = _undone(sighting)
    if not undone:
        return sighting.offset + len(sighting.octets)
    # The step that was undone first is named last.
    if undone[-1].endswith(_TEXT_STEPS) and (run := _WORD.match(octets, sighting.offset)):
        return run.end()
    return len(octets)  # nobody knows where compressed octets end


def _measure(value: str) -> str:
    return f"{len(value)} {'digits' if value.isdigit() else 'characters'}"


def _apart(spans: Iterable[tuple[int, int, str]]) -> Iterator[tuple[int, int, str]]:
    """Give spans in order; of those that overlap the first, as far as all of them reach."""
    last: tuple[int, int, str] | None = None
    for start, stop, label in sorted(spans, key=lambda span: (span[0], -span[1])):
        if last is not None and start < last[1]:
            last = (last[0], max(last[1], stop), last[2])
            continue
        if last is not None:
            yield last
        last = (start, stop, label)
    if last is not None:
        yield last
