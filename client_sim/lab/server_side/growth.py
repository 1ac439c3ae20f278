"""What grows when requests come: a server that keeps nothing of them grows by nothing.

Values that a server hid well, under a key of its own for instance, cannot be looked for. That it
writes something for each request shows all the same.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from client_sim.lab.oracles.finding import Finding

_EACH: Final = 4  # bytes per request: no shorter note is worth keeping

Sizes = Mapping[str, int]


def judge_growth(before: Sizes, after: Sizes, idle: Sizes, requests: int) -> Iterator[Finding]:
    """Find files that grew with the requests by more than twice what they grow by themselves.

    The lengths are those before the requests, after them, and after a pause of the same time. A
    new file has grown from nothing; many new files are a finding, too.
    """
    for name, size in after.items():
        more = size - before.get(name, 0) - 2 * max(idle.get(name, size) - size, 0)
        if more >= requests * _EACH:
            yield _finding(name, f"grew by {more} bytes", requests)
    new = sorted(after.keys() - before.keys())
    if len(new) - 2 * len(idle.keys() - after.keys()) >= requests // 2:
        yield _finding(new[0], f"and {len(new) - 1} other files appeared", requests)


def _finding(name: str, words: str, requests: int) -> Finding:
    data = name.encode(errors="surrogateescape")
    return Finding(
        where=name,
        explanation=f"{words} while {requests} plain requests came: something is written for each",
        data=data,
        offset=0,
        length=len(data),
    )
