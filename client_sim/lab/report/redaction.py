"""Which bytes and words of a report are personal, and what is shown in their place.

Spans are the places in the recorded bytes of the values found by the canary search.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final, Protocol
from urllib.parse import quote_plus

from client_sim.lab.oracles.canary import CanarySearch, Sighting
from client_sim.lab.oracles.finding import Finding
from client_sim.lab.oracles.transforms import TRANSFORMS
from client_sim.persona import Persona, canaries

Span = tuple[int, int, str]
"""Where a value begins and ends, and what is said of it."""

_UNDONE: Final = "undone by "
_RUNS: Final = {
    **dict.fromkeys(
        ("base16", "base32", "base64", "unescape url"), re.compile(rb"[A-Za-z0-9%+/_=.-]+")
    ),
    "decimal": re.compile(rb"[0-9., ]+"),
}
"""The alphabet of each encoding that is undone piece by piece, by the end of the step's name."""
_DIGIT: Final = re.compile(rb"[A-Za-z0-9+/_-]")
_SHORTEST_TOKEN: Final = 6  # bytes: shorter ones stand anywhere by chance
COVER: Final = b"*"
_SHORTEST_VALUE: Final = 5  # bytes: shorter values stand in every report by chance
_MANY: Final = 2000  # values for which encodings are computed in advance


def _locate(data: bytes, found: Sequence[Sighting]) -> list[Span]:
    """Return spans of the sightings whose places are known best; empty where there are none.

    A value that was read plain, or under one encoding, has an exact place. Of a decoded value the
    run is known in which it stands; of a decompressed one, where that begins. A caller that covers
    these spans and searches again finds the values with less certain places.
    """
    places: tuple[Iterable[Span], ...] = (
        (_exact(data, each) for each in found if not _last_step(each.chain)),
        (span for each in found for span in _encoded(data, each)),
        (span for each in found for span in [_span_of(data, each)] if span[1] < len(data)),
        (_span_of(data, each) for each in found),
    )
    return next(filter(None, map(list, places)), [])


def _span_of(data: bytes, sighting: Sighting) -> Span:
    """Return a span that holds a sighting; it reaches to the end where the end is unknown."""
    step = _last_step(sighting.chain)
    if not step:
        return _exact(data, sighting)
    start = sighting.offset
    for ending, pattern in _RUNS.items():
        if step.endswith(ending) and (run := pattern.match(data, start)):
            return start, run.end(), _label(sighting)
    return start, len(data), _label(sighting)


def _label(sighting: Sighting) -> str:
    """Say which value it is, such as `imei(15 digits)`."""
    return f"{sighting.field}({_measure(sighting.value.decode())})"


def _measure(value: str) -> str:
    """Say how long a value is."""
    return f"{len(value)} {'digits' if value.isdigit() else 'characters'}"


def _last_step(chain: Sequence[str]) -> str:
    """Name the step that was undone first; a client did it last, and so it is named last."""
    return chain[-1].removeprefix(_UNDONE) if chain and chain[-1].startswith(_UNDONE) else ""


def _exact(data: bytes, sighting: Sighting) -> Span:
    is_base64 = any(step.startswith("base64") for step in sighting.chain)
    start, stop = sighting.offset, sighting.offset + len(sighting.data)
    return *(_widen(data, start, stop) if is_base64 else (start, stop)), _label(sighting)


def _encoded(data: bytes, sighting: Sighting) -> Iterator[Span]:
    """Look for a decoded value in each encoding that can be computed forwards."""
    for name, transform in TRANSFORMS.items():
        token = transform(sighting.data)
        if len(token) >= _SHORTEST_TOKEN:
            for match in re.finditer(re.escape(token), data):
                span = match.span()
                span = _widen(data, *span) if name.startswith("base64") else span
                yield *span, _label(sighting)


def _widen(data: bytes, start: int, stop: int) -> tuple[int, int]:
    """Include the digits before and after those that a value alone decides.

    They show the rest of its bits.
    """
    first = start - 1 if start and _DIGIT.match(data, start - 1) else start
    return first, stop + bool(_DIGIT.match(data, stop))


class Redaction(Protocol):
    """What a report applies to all that it shows."""

    def data(self, data: bytes) -> bytes:
        """Return bytes of the same length, with personal values covered."""

    def text(self, text: str) -> str:
        """Return a text with labels such as `imei(15 digits)` in place of personal values."""

    def sighting(self, finding: Finding) -> Finding:
        """Cover a finding of the canary search, which itself says which bytes are a value."""


class Revealed:
    """Covers nothing: for made-up owners, and where personal values were asked for."""

    def data(self, data: bytes) -> bytes:
        """Return them as they are."""
        return data

    def text(self, text: str) -> str:
        """Return it as it is."""
        return text

    def sighting(self, finding: Finding) -> Finding:
        """Return it as it is."""
        return finding


class Covered:
    """Covers the values of some owners.

    Values are recognised plain, under one encoding or digest, and under two encodings that can be
    undone. What a client hid better stays, and reveals nothing to a reader who does not know the
    method.
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

    def data(self, data: bytes) -> bytes:
        """Put a star in place of each byte of a personal value."""
        covered = bytearray(data)
        for start, stop, _ in self._spans(data):
            covered[start:stop] = COVER * (stop - start)
        return bytes(covered)

    def text(self, text: str) -> str:
        """Put a label in place of each personal value."""
        data = text.encode("utf-8", "surrogatepass")
        spans = list(_apart(self._spans(data)))
        if not spans:
            return text
        shown, done = [], 0
        for start, stop, label in spans:
            shown += [data[done:start], label.encode()]
            done = stop
        return b"".join([*shown, data[done:]]).decode("utf-8", "backslashreplace")

    def sighting(self, finding: Finding) -> Finding:
        """Cover the value, whichever owner it belongs to and however it was encoded."""
        head, _, value = finding.explanation.partition(": ")
        field, _, dress = head.partition(" as ")
        chain = tuple(dress.split(" → "))
        seen = Sighting(field, value.encode(), chain, finding.offset, finding.offending())
        start, stop, label = _span_of(finding.data, seen)
        data = bytearray(self.data(finding.data))
        data[start:stop] = COVER * (stop - start)
        return replace(finding, explanation=f"{head}: {label}", data=bytes(data))

    def _spans(self, data: bytes) -> Iterator[Span]:
        rest = bytearray(data)
        spans = [(m.start(), m.end(), self._labels[m[0]]) for m in self._plain.finditer(data)]
        while True:
            before = bytes(rest)
            for start, stop, _label in spans:
                rest[start:stop] = COVER * (stop - start)
            yield from spans
            if spans and rest == before:
                return  # a value consists of stars itself
            # The search finds one encoding of a value; the others show when that is covered.
            spans = _locate(bytes(rest), self._search.search(bytes(rest)))
            if not spans:
                return


def _values(owners: Iterable[Persona]) -> Mapping[str, tuple[bytes, ...]]:
    found: dict[str, dict[bytes, None]] = {}
    for owner in owners:
        shared = {
            name: (getattr(owner, name).encode(),) for name in ("locale", "time_zone", "carrier")
        }
        for field, values in (*canaries(owner).items(), *shared.items()):
            own = found.setdefault(field, {})
            own |= {value: None for value in values if len(value) >= _SHORTEST_VALUE}
    return {field: tuple(own) for field, own in found.items()}


def _apart(spans: Iterable[Span]) -> Iterator[Span]:
    """Yield spans in order; of those that overlap the first, as far as all of them reach."""
    last: Span | None = None
    for start, stop, label in sorted(spans, key=lambda span: (span[0], -span[1])):
        if last is not None and start < last[1]:
            last = (last[0], max(last[1], stop), last[2])
            continue
        if last is not None:
            yield last
        last = (start, stop, label)
    if last is not None:
        yield last
