"""How likely chance alone makes a statistic as large as it is: tails of four distributions."""

import math
from typing import Final

_TERMS: Final = 101  # of Kolmogorov's series, which is long past its last digit by then


def tail_of_normal(z: float) -> float:
    """Return the probability that a standard normal deviate is as far from 0 as `z`, either way."""
    return math.erfc(abs(z) / math.sqrt(2))


def tail_of_chi_square(x: float) -> float:
    """Return the probability that chi-square with one degree of freedom is `x` or more."""
    return math.erfc(math.sqrt(x / 2))


def tail_of_kolmogorov(distance: float, effective: float) -> float:
    """Return the probability that a distance of Kolmogorov and Smirnov is so large.

    `effective` is the size of the sample, or n m / (n + m) of two. The limit distribution with the
    correction for small samples of Stephens (1970), good to a few per cent from 8 values on.
    """
    root = math.sqrt(effective)
    x = (root + 0.12 + 0.11 / root) * distance
    if x < 0.2:
        return 1.0
    signed = ((-1) ** (j - 1) * math.exp(-2 * (j * x) ** 2) for j in range(1, _TERMS))
    return min(1.0, 2 * math.fsum(signed))


def tail_of_rayleigh(length: float, count: int) -> float:
    """Return the probability that `count` independent unit vectors add up to `length` or more.

    The approximation of Rayleigh's test in Zar, Biostatistical Analysis, section 27.1.
    """
    return math.exp(math.sqrt(1 + 4 * count + 4 * (count**2 - length**2)) - 1 - 2 * count)
