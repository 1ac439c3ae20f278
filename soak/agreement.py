"""Checks that the fast path and aiohttp alone give the same outcome for the same bytes."""

import re
from collections.abc import Sequence

from server.http.heads import END
from soak.two_ways import Outcome, TwoWays, cut

CUTS = 3  # bytes at the end of a fuzzer's input; they choose the gate mode and the cuts


class DisagreementError(Exception):
    """Bytes whose outcomes differ or violate HTTP; the message shows them."""


async def check_agreement(ways: TwoWays, data: bytes, places: Sequence[int]) -> Outcome:
    """Return the outcome of `data`, to which the end of a head is added if missing.

    The paths may refuse an incomplete head at different bytes. Raises DisagreementError if the
    outcomes of the fast path and of aiohttp alone differ, whole or cut at `places`, if the server
    fails, or if a 400 is not the last answer or does not end the connection.
    """
    if not data.endswith(END):
        data += END
    # In strict mode a valid request is refused if wrong bytes follow it in the same packet.
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
        raise DisagreementError(f"{data!r} makes the server fail: {whole}, {ways.failures}")
    if b"400" in statuses[:-1] or (b"400" in statuses and not whole.has_ended):
        raise DisagreementError(f"{data!r} is refused, and the connection goes on: {whole}")
    return whole


async def check_input(ways: Sequence[TwoWays], data: bytes) -> None:
    """Check a fuzzer's input: a stream, then the bytes that choose the gate mode and the cuts."""
    stream, tail = data[:-CUTS], data[-CUTS:]
    await check_agreement(ways[sum(tail) % len(ways)], stream, [each * 7 for each in tail])
