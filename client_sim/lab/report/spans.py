"""Spans of the recorded bytes that hold the values found by the canary search."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from client_sim.lab.oracles.canary import Sighting
from client_sim.lab.oracles.transforms import TRANSFORMS

Span = tuple[int, int, str]
"""Where a value begins and ends, and what is said of it."""

UNDONE: Final = "undone by "
_RUNS: Final = {
    **dict.fromkeys(
        ("base16", "base32", "base64", "unescape url"), re.compile(rb"[A-Za-z0-9%+/_=.-]+")
    ),
    "decimal": re.compile(rb"[0-9., ]+"),
}
"""The alphabet of each encoding that is undone piece by piece, by the end of the step's name."""
_DIGIT: Final = re.compile(rb"[A-Za-z0-9+/_-]")
_SHORTEST: Final = 6  # bytes: shorter ones stand anywhere by chance


def locate(data: bytes, found: Sequence[Sighting]) -> list[Span]:
    """Return spans of the sightings whose places are known best; empty where there are none.

    A value that was read plain, or under one encoding, has an exact place. Of a decoded value the
    run is known in which it stands; of a decompressed one, where that begins. A caller that covers
    these spans and searches again finds the values with less certain places.
    """
    places: tuple[Iterable[Span], ...] = (
        (_exact(data, each) for each in found if not _last_step(each.chain)),
        (span for each in found for span in _encoded(data, each)),
        (span for each in found for span in [span_of(data, each)] if span[1] < len(data)),
        (span_of(data, each) for each in found),
    )
    return next(filter(None, map(list, places)), [])


def span_of(data: bytes, sighting: Sighting) -> Span:
    """Return a span that holds a sighting; it reaches to the end where the end is unknown."""
    step = _last_step(sighting.chain)
    if not step:
        return _exact(data, sighting)
    start = sighting.offset
    for ending, pattern in _RUNS.items():
        if step.endswith(ending) and (run := pattern.match(data, start)):
            return start, run.end(), label(sighting)
    return start, len(data), label(sighting)


def label(sighting: Sighting) -> str:
    """Say which value it is, such as `imei(15 digits)`."""
    return f"{sighting.field}({measure(sighting.value.decode())})"


def measure(value: str) -> str:
    """Say how long a value is."""
    return f"{len(value)} {'digits' if value.isdigit() else 'characters'}"


def _last_step(chain: Sequence[str]) -> str:
    """Name the step that was undone first; a client did it last, and so it is named last."""
    return chain[-1].removeprefix(UNDONE) if chain and chain[-1].startswith(UNDONE) else ""


def _exact(data: bytes, sighting: Sighting) -> Span:
    is_base64 = any(step.startswith("base64") for step in sighting.chain)
    start, stop = sighting.offset, sighting.offset + len(sighting.data)
    return *(_widen(data, start, stop) if is_base64 else (start, stop)), label(sighting)


def _encoded(data: bytes, sighting: Sighting) -> Iterator[Span]:
    """Look for a decoded value in each encoding that can be computed forwards."""
    for name, transform in TRANSFORMS.items():
        token = transform(sighting.data)
        if len(token) >= _SHORTEST:
            for match in re.finditer(re.escape(token), data):
                span = match.span()
                span = _widen(data, *span) if name.startswith("base64") else span
                yield *span, label(sighting)


def _widen(data: bytes, start: int, stop: int) -> tuple[int, int]:
    """Include the digits before and after those that a value alone decides.

    They show the rest of its bits.
    """
    first = start - 1 if start and _DIGIT.match(data, start - 1) else start
    return first, stop + bool(_DIGIT.match(data, stop))
