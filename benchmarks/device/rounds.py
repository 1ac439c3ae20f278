"""Runs that alternate: every variant once in each round, so that a drift meets all of them."""

import statistics
from collections.abc import Callable, Mapping, Sequence

from benchmarks.device.measured import Measured

STRANGERS = 0.12  # cores' worth of CPU of neither side from which on a run is not believed
ATTEMPTS = 3

Rounds = Mapping[str, Sequence[Measured]]


def alternate(
    variants: Mapping[str, Callable[[], Measured]],
    rounds: int,
    tell: Callable[[str], None],
    attempts: int | None = None,
) -> Rounds:
    """Run each variant once per round, in another order each time.

    A run during which something else took CPU is repeated, up to `attempts` runs; if it is never
    quiet, the quietest of them counts, and the table shows how quiet that was. Without `attempts`
    there are three, or one where there is a single round, which is a try.
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
    """Return the median of the rounds' ratios of `ours` to `peer`; None where there is no peer."""
    if peer not in results or ours not in results:
        return None
    pairs = zip(results[ours], results[peer], strict=True)
    return statistics.median(what(mine) / what(theirs) for mine, theirs in pairs)


def median(results: Sequence[Measured], what: Callable[[Measured], float]) -> float:
    """Return the median over the rounds."""
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
