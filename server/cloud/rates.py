"""Rate limits: requests per account, and login attempts per name.

Client addresses are not recorded, and the counts end with the process. Names are counted by their
hash, so unknown names are limited like existing ones.
"""

from server.cloud.errors import RateError
from server.core.buckets import Buckets

BURST_SECONDS = 20
"""Size of a burst, in seconds at the full rate; a device's first synchronization needs it."""
LOGIN_BURST = 30
"""Maximum number of login attempts in one burst."""
_HOUR = 3600


class Rates:
    """The token buckets of one process; times are epoch seconds."""

    def __init__(self, requests_per_second: int, logins_per_hour: int) -> None:
        burst = float(requests_per_second * BURST_SECONDS)
        self._accounts = Buckets(burst, requests_per_second)
        self._names = Buckets(min(LOGIN_BURST, logins_per_hour), logins_per_hour / _HOUR)

    def count_request(self, account: str, now: int) -> None:
        """Count a request of an account; raises RateError if there are too many."""
        _take(self._accounts, account, now)

    def count_login(self, name_hash: bytes, now: int) -> None:
        """Count a login attempt for a name; raises RateError if there are too many."""
        _take(self._names, name_hash.hex(), now)

    def forgive_login(self, name_hash: bytes, now: int) -> None:
        """Refund an attempt whose password or recovery words were correct."""
        self._names.find(name_hash.hex(), now).give_back()


def _take(buckets: Buckets, name: str, now: int) -> None:
    wait = buckets.find(name, now).take(now)
    if wait:
        raise RateError(wait)
