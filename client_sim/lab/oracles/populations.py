"""Whether two populations of phones wait alike: Kolmogorov and Smirnov, and Welch."""

import math
from bisect import bisect_right
from collections.abc import Sequence
from statistics import fmean, variance

from client_sim.lab.oracles.chance import tail_of_kolmogorov, tail_of_normal
from client_sim.lab.oracles.finding import Finding
from client_sim.lab.trace.observation import Channel


def find_distance(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the largest distance between two empirical distributions."""
    ours, theirs = sorted(one), sorted(other)
    return max(
        abs(bisect_right(ours, value) / len(ours) - bisect_right(theirs, value) / len(theirs))
        for value in {*ours, *theirs}
    )


def find_welch(one: Sequence[float], other: Sequence[float]) -> float:
    """Return Welch's t; nan where neither population varies and both means are the same."""
    difference = fmean(one) - fmean(other)
    spread = math.sqrt(variance(one) / len(one) + variance(other) / len(other))
    if not spread:
        return math.copysign(math.inf, difference) if difference else math.nan
    return difference / spread


def judge_populations(
    one: Sequence[float], other: Sequence[float], whose: str, alpha: float = 1e-9
) -> tuple[Finding, ...]:
    """Find that two populations, told apart by `whose`, wait differently; intervals in seconds.

    `alpha` is shared by both tests; t is taken as normal, so that each population needs 100 values
    or more (else ValueError). At alpha = 1e-9 so many intervals each are
    needed, with the share of samples in which each test alarms:

    | effect | intervals | Kolmogorov | Welch |
    | --- | --- | --- | --- |
    | shift by a fiftieth of the range | 40,000 | 47 % | 100 % |
    | shift by a twentieth | 5,000 | 20 % | 100 % |
    | range narrower by a twentieth, same mean | 50,000 | 100 % | 0 % |
    | range narrower by a fifth | 4,000 | 100 % | 0 % |
    | parity of the second | 10,000 | 0 % | 0 % |
    """
    if min(len(one), len(other)) < 100:
        raise ValueError("two populations need 100 intervals or more each")
    effective = len(one) * len(other) / (len(one) + len(other))
    distance, t = find_distance(one, other), find_welch(one, other)
    found = (
        ("distributions", distance, tail_of_kolmogorov(distance, effective) * 2),
        ("means", t, tail_of_normal(t) * 2),
    )
    data = b"%d" % fmean(one)
    return tuple(
        Finding(
            where=Channel.SCHEDULE.value,
            explanation=(
                f"{name} of {len(one)} and {len(other)} intervals differ by {whose}: "
                f"statistic {statistic:.4g}, chance {chance:.1g}"
            ),
            data=data,
            offset=0,
            length=len(data),
            other=b"%d" % fmean(other),
            channel=Channel.SCHEDULE.value,
            field="interval",
        )
        for name, statistic, chance in found
        if chance < alpha
    )
