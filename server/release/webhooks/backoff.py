"""When a delivery that failed is tried again: exponential backoff with jitter, for three days."""

from collections.abc import Callable

FIRST_SECONDS, FACTOR, LONGEST_SECONDS = 10, 3, 12 * 3600
MAX_ATTEMPTS = 14  # the thirteen waits between them add up to 69 hours at most


def plan_retry(attempts: int, entropy: Callable[[int], bytes]) -> int | None:
    """Return how many seconds to wait after that many failed attempts; None to give up.

    The wait is drawn evenly from the upper half of 10 s, 30 s, 90 s … 12 h, so that webhooks which
    failed together do not return together.
    """
    if attempts >= MAX_ATTEMPTS:
        return None
    longest: int = min(FIRST_SECONDS * FACTOR ** (attempts - 1), LONGEST_SECONDS)
    shortest = longest // 2
    return shortest + int.from_bytes(entropy(8)) % (longest - shortest + 1)
