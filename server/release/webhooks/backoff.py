"""When a delivery that failed is tried again: exponential backoff with jitter, for three days."""

import re
from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime

FIRST_SECONDS, FACTOR, LONGEST_SECONDS = 10, 3, 12 * 3600
MAX_ATTEMPTS = 14  # the thirteen waits between them add up to 69 hours at most
_SECONDS = re.compile(r"[0-9]{1,9}")
_DATE = re.compile(r"[A-Za-z0-9 :,+-]{1,40}")


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


def decode_retry_after(text: str, now: int) -> int:
    """Return for how many seconds a receiver wants to be left alone; 0 for what says nothing.

    Source: RFC 9110 section 10.2.3: seconds, or a date. Longer than 12 hours nobody is waited for.
    """
    if _SECONDS.fullmatch(text):
        return min(int(text), LONGEST_SECONDS)
    if not _DATE.fullmatch(text):
        return 0
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return 0
    if date.tzinfo is None:  # `-0000`: a time in UTC from somewhere unknown
        date = date.replace(tzinfo=UTC)
    return min(max(0, int(date.timestamp()) - now), LONGEST_SECONDS)
