"""How many requests are taken: of one account, and attempts to log in for one name.

Nothing is kept of a client's address, and nothing outlives the process. A name is known by its hash
alone, so that a name that is not there is counted like any other.
"""

from server.cloud.errors import RateError
from server.core.buckets import Buckets

BURST_SECONDS = 20
"""Of requests at the full rate that may come at once: a device that begins asks for much."""
LOGIN_BURST = 30
"""Attempts to log in that may come at once."""
_HOUR = 3600


class Rates:
    """The buckets of one process; times are epoch seconds."""

    def __init__(self, requests_per_second: int, logins_per_hour: int) -> None:
        burst = float(requests_per_second * BURST_SECONDS)
        self._accounts = Buckets(burst, requests_per_second)
        self._names = Buckets(min(LOGIN_BURST, logins_per_hour), logins_per_hour / _HOUR)

    def count_request(self, account: str, now: int) -> None:
        """Count a request of an account; raises RateError when there are too many."""
        _take(self._accounts, account, now)

    def count_login(self, name_hash: bytes, now: int) -> None:
        """Count an attempt to log in; raises RateError when there are too many for this name."""
        _take(self._names, name_hash.hex(), now)

    def forgive_login(self, name_hash: bytes, now: int) -> None:
        """Count an attempt no more: its password or words were right, so it was no guess."""
        self._names.find(name_hash.hex(), now).give_back()


def _take(buckets: Buckets, name: str, now: int) -> None:
    wait = buckets.find(name, now).take(now)
    if wait:
        raise RateError(wait)
