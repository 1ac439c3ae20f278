"""When two outcomes of the same bytes agree: the fast path's, and aiohttp's alone."""

import re
from collections.abc import Sequence

from server.http.heads import END
from soak.two_ways import Outcome, TwoWays, cut

CUTS = 3  # bytes at the end of a fuzzer's input that say where it is cut


class DisagreementError(Exception):
    """Bytes that are answered differently, or not as HTTP is; the message shows them."""


async def check_agreement(ways: TwoWays, data: bytes, places: Sequence[int]) -> Outcome:
    """Return what `data` are answered with.

    They are given an end, since what is only begun may be refused sooner or later. Raises
    DisagreementError unless that is the same by the fast path and by aiohttp alone, whole and
    cut at `places`, and no failure of ours; a refusal is the last answer and ends the connection.
    """
    if not data.endswith(END):
        data += END
    # A strict gate looks at packets: a phone's request is refused with what is wrong behind it.
    ends = [match.end() for match in re.finditer(END, data)] if ways.is_strict else []
    packets, pieces = cut(data, ends), cut(data, [*ends, *places])
    whole = await ways.over_fast_path(packets)
    outcomes = {
        "in pieces": await ways.over_fast_path(pieces),
        "to a slow reader": await ways.over_fast_path(packets, is_slow=True),
        "by aiohttp": await ways.over_aiohttp(packets),
        "by aiohttp in pieces": await ways.over_aiohttp(pieces),
    }
    for how, outcome in outcomes.items():
        if outcome != whole:
            raise DisagreementError(
                f"{data!r}, cut at {places}, is answered\n{whole} whole, and\n{outcome} {how}"
            )
    statuses = whole.statuses
    if ways.failures or any(status.startswith(b"5") for status in statuses):
        raise DisagreementError(f"{data!r} is a failure of ours: {whole}, {ways.failures}")
    if b"400" in statuses[:-1] or (b"400" in statuses and not whole.has_ended):
        raise DisagreementError(f"{data!r} is refused, and the connection goes on: {whole}")
    return whole


async def check_input(ways: Sequence[TwoWays], data: bytes) -> None:
    """Check a fuzzer's input: a stream, and behind it what chooses the gate and the cuts."""
    stream, tail = data[:-CUTS], data[-CUTS:]
    await check_agreement(ways[sum(tail) % len(ways)], stream, [each * 7 for each in tail])
