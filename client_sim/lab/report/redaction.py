"""Redaction of personal values in the bytes and texts of a report.

Spans are the positions of values that the canary search found in recorded bytes.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final
from urllib.parse import quote_plus

from client_sim.lab.oracles.canary import CanarySearch, Sighting
from client_sim.lab.oracles.finding import Finding
from client_sim.lab.oracles.transforms import TRANSFORMS
from client_sim.persona import Persona, canaries

Span = tuple[int, int, str]
"""The start and end of a value, and its label."""

_UNDONE: Final = "undone by "
_RUNS: Final = {
    **dict.fromkeys(
        ("base16", "base32", "base64", "unescape url"), re.compile(rb"[A-Za-z0-9%+/_=.-]+")
    ),
    "decimal": re.compile(rb"[0-9., ]+"),
}
"""Patterns of encoded text, by the suffix of the name of the decoding step."""
_DIGIT: Final = re.compile(rb"[A-Za-z0-9+/_-]")
_SHORTEST_TOKEN: Final = 6  # bytes; shorter ones occur by chance
MASK: Final = b"*"
_SHORTEST_VALUE: Final = 5  # bytes; shorter values occur in every report by chance
_MANY: Final = 2000  # values for which encodings are computed in advance


def _locate(data: bytes, found: Sequence[Sighting]) -> list[Span]:
    """Return spans of the sightings whose positions are known best; empty if there are none.

    A value that was found plain, or under one encoding, has an exact position. For a decoded value
    the encoded run is known, and for a decompressed one the start. A caller that redacts these
    spans and searches again finds the values with less certain positions.
    """
    places: tuple[Iterable[Span], ...] = (
        (_exact(data, each) for each in found if not _last_step(each.chain)),
        (span for each in found for span in _encoded(data, each)),
        (span for each in found for span in [_span_of(data, each)] if span[1] < len(data)),
        (_span_of(data, each) for each in found),
    )
    return next(filter(None, map(list, places)), [])


def _span_of(data: bytes, sighting: Sighting) -> Span:
    """Return a span that contains a sighting; it extends to the end of the data if unknown."""
    step = _last_step(sighting.chain)
    if not step:
        return _exact(data, sighting)
    start = sighting.offset
    for ending, pattern in _RUNS.items():
        if step.endswith(ending) and (run := pattern.match(data, start)):
            return start, run.end(), _label(sighting)
    return start, len(data), _label(sighting)


def _label(sighting: Sighting) -> str:
    """Return the label of a value, such as `imei(15 digits)`."""
    return f"{sighting.field}({_measure(sighting.value.decode())})"


def _measure(value: str) -> str:
    """Return the length of a value as text."""
    return f"{len(value)} {'digits' if value.isdigit() else 'characters'}"


def _last_step(chain: Sequence[str]) -> str:
    """Return the step that was undone first, which is the client's last and so named last."""
    return chain[-1].removeprefix(_UNDONE) if chain and chain[-1].startswith(_UNDONE) else ""


def _exact(data: bytes, sighting: Sighting) -> Span:
    is_base64 = any(step.startswith("base64") for step in sighting.chain)
    start, stop = sighting.offset, sighting.offset + len(sighting.data)
    return *(_widen(data, start, stop) if is_base64 else (start, stop)), _label(sighting)


def _encoded(data: bytes, sighting: Sighting) -> Iterator[Span]:
    """Yield the positions of a decoded value in each encoding that can be computed."""
    for name, transform in TRANSFORMS.items():
        token = transform(sighting.data)
        if len(token) >= _SHORTEST_TOKEN:
            for match in re.finditer(re.escape(token), data):
                span = match.span()
                span = _widen(data, *span) if name.startswith("base64") else span
                yield *span, _label(sighting)


def _widen(data: bytes, start: int, stop: int) -> tuple[int, int]:
    """Extend a base64 span by the adjacent digits, which contain some of the value's bits."""
    first = start - 1 if start and _DIGIT.match(data, start - 1) else start
    return first, stop + bool(_DIGIT.match(data, stop))


class NoRedaction:
    """Redacts nothing; used if personal values are to be shown."""

    def data(self, data: bytes) -> bytes:
        """Return the bytes unchanged."""
        return data

    def text(self, text: str) -> str:
        """Return the text unchanged."""
        return text

    def sighting(self, finding: Finding) -> Finding:
        """Return the finding unchanged."""
        return finding


class OwnerRedaction:
    """Redacts the values of some owners.

    Values are recognised in plain form, under one encoding or digest, and under two reversible
    encodings. Values that a client hid better are not redacted; a reader who does not know the
    method cannot read them.
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
        # In forms a space is encoded as a plus sign, which is not an encoding of the search.
        self._labels |= {quote_plus(value).encode(): label for value, label in self._labels.items()}
        longest = sorted(self._labels, key=len, reverse=True)
        self._plain = re.compile(b"|".join(map(re.escape, longest)) or b"(?!)")

    def data(self, data: bytes) -> bytes:
        """Replace each byte of a personal value by a star."""
        redacted = bytearray(data)
        for start, stop, _ in self._spans(data):
            redacted[start:stop] = MASK * (stop - start)
        return bytes(redacted)

    def text(self, text: str) -> str:
        """Replace each personal value by a label."""
        data = text.encode("utf-8", "surrogatepass")
        spans = list(_merge_overlaps(self._spans(data)))
        if not spans:
            return text
        parts, done = [], 0
        for start, stop, label in spans:
            parts += [data[done:start], label.encode()]
            done = stop
        return b"".join([*parts, data[done:]]).decode("utf-8", "backslashreplace")

    def sighting(self, finding: Finding) -> Finding:
        """Redact the value of a finding, whatever its owner and its encoding."""
        head, _, value = finding.explanation.partition(": ")
        field, _, encoding = head.partition(" as ")
        chain = tuple(encoding.split(" → "))
        sighting = Sighting(field, value.encode(), chain, finding.offset, finding.offending())
        start, stop, label = _span_of(finding.data, sighting)
        data = bytearray(self.data(finding.data))
        data[start:stop] = MASK * (stop - start)
        return replace(finding, explanation=f"{head}: {label}", data=bytes(data))

    def _spans(self, data: bytes) -> Iterator[Span]:
        rest = bytearray(data)
        spans = [(m.start(), m.end(), self._labels[m[0]]) for m in self._plain.finditer(data)]
        while True:
            before = bytes(rest)
            for start, stop, _label in spans:
                rest[start:stop] = MASK * (stop - start)
            yield from spans
            if spans and rest == before:
                return  # the value itself consists of stars
            # The search finds one encoding of a value, and the others after that is redacted.
            spans = _locate(bytes(rest), self._search.search(bytes(rest)))
            if not spans:
                return


Redaction = NoRedaction | OwnerRedaction


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


def _merge_overlaps(spans: Iterable[Span]) -> Iterator[Span]:
    """Yield spans in order; overlapping ones are merged and get the label of the first."""
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
