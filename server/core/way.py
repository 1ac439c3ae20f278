"""The way to a build: which stepping stones lead to it in one channel.

Source: docs/FORMATS.md section 4. The server asks when it offers a build, the signer before a build
is signed, so that what is signed can be offered.
"""

from collections.abc import Mapping

from server.core.errors import ReleaseError
from server.core.names import Channel
from server.core.release import Release

MAX_STEPS = 8
MAX_INCREMENTALS = 2


def offered_in(channel: Channel, releases: Mapping[str, Release]) -> dict[str, Release]:
    """Return the releases that `channel` may offer: its own, without the withdrawn ones."""
    prefix = f"{channel}/"
    return {
        path: release
        for path, release in releases.items()
        if path.startswith(prefix) and not release.withdrawn
    }


def find_way(channel: Channel, counter: int, releases: Mapping[str, Release]) -> list[int]:
    """Return the counters of the steps to `counter`, ascending, `counter` last.

    Each step but the first asks for at least the counter of an earlier one. Raises ReleaseError
    when `channel` has no full package of a build that a step asks for, or the way is too long.
    """
    fulls = {
        release.counter: release
        for release in offered_in(channel, releases).values()
        if release.type == "full"
    }
    if counter not in fulls:
        raise ReleaseError(f"{channel} lists no full package of counter {counter}; it needs one.")
    way = [counter]
    while needed := fulls[way[0]].min_counter:
        below = [known for known in fulls if needed <= known < way[0]]
        if not below:
            raise ReleaseError(
                f"{channel} has no release from which {fulls[way[0]].fingerprint} may be"
                f" installed: a full package with a counter from {needed} to {way[0] - 1}."
            )
        way.insert(0, max(below))
        if len(way) > MAX_STEPS:
            raise ReleaseError(
                f"{channel} leads to {fulls[counter].fingerprint} by more than {MAX_STEPS} steps;"
                " a pointer holds no more."
            )
    return way
