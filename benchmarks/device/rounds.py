"""Alternating runs: each round runs every variant once, so that a drift affects all of them."""

import statistics
from collections.abc import Callable, Mapping, Sequence

from benchmarks.device.measured import Measured

STRANGERS = 0.12  # CPU of other processes, in cores, above which a run is repeated
ATTEMPTS = 3

Rounds = Mapping[str, Sequence[Measured]]


def alternate(
    variants: Mapping[str, Callable[[], Measured]],
    rounds: int,
    tell: Callable[[str], None],
    attempts: int | None = None,
) -> Rounds:
    """Run each variant once per round; each round begins with another variant.

    A run during which other processes used CPU is repeated, up to `attempts` runs. If all are
    disturbed, the least disturbed one counts. `tell` gets a line per result, with that CPU.
    `attempts` is three by default, or one for a single round, which is only a trial.
    """
    if attempts is None:
        attempts = ATTEMPTS if rounds > 1 else 1
    results: dict[str, list[Measured]] = {name: [] for name in variants}
    names = list(variants)
    for number in range(rounds):
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            results[name].append(_quiet(variants[name], attempts))
            tell(f"{name}: {_say(results[name][-1])}")
    return results


def ratio(results: Rounds, ours: str, peer: str, what: Callable[[Measured], float]) -> float | None:
    """Return the median of the rounds' ratios of `ours` to `peer`; None if either is missing."""
    if peer not in results or ours not in results:
        return None
    pairs = zip(results[ours], results[peer], strict=True)
    return statistics.median(what(mine) / what(theirs) for mine, theirs in pairs)


def median(results: Sequence[Measured], what: Callable[[Measured], float]) -> float:
    """Return the median of `what` over the rounds."""
    return statistics.median(map(what, results))


def _quiet(run: Callable[[], Measured], attempts: int) -> Measured:
    tries = []
    for _ in range(attempts):
        tries.append(run())
        if tries[-1].other <= STRANGERS:
            break
    return min(tries, key=lambda tried: tried.other)


def _say(measured: Measured) -> str:
    said = f"{measured.rate:,.0f}/s, {measured.cores:.2f} cores, strangers {measured.other:.2f}"
    if "p99" in measured.latencies:
        said += f", p99 {measured.latencies['p99']:.2f} ms"
    return f"{said}, {measured.failed} failed" if measured.failed else said
