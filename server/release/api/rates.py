"""Rate limits of requests: a bucket for each API token, each account, and all guesses together.

Client addresses are not stored. Requests without a valid token count as guesses, and all guesses
together have the rate of one token. While their bucket is empty, unknown tokens are not looked up.
Recently valid tokens are exempt from this, so that a flood of guesses does not block valid callers.
A token or account over its rate is refused before the lookup. The token of an urgent request, such
as a halt, is always looked up, and never refused if it is valid.
"""

import hashlib
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from typing import Protocol

from server.core.buckets import MAX_BUCKETS, Bucket, Buckets
from server.release.errors import RateError, Share

BURST_SECONDS = 4  # a burst may have as many requests as the rate allows in this time
ACCOUNT_TOKENS = 2
"""The rate of an account as a multiple of a token's, for a browser and a script."""
HOURLY_BURSTS = 6  # a burst may have a sixth of an account's hourly limit


class Rates:
    """The buckets of one process; `now` returns monotonic seconds.

    `per_second`: requests of one token. `sign_ins`, `changes`: sign-ins to the console and changes
    of one account, per hour.
    """

    def __init__(
        self, per_second: int, sign_ins: int, changes: int, now: Callable[[], float]
    ) -> None:
        burst = float(per_second * BURST_SECONDS)
        self._now = now
        self._guesses = Bucket(burst, per_second, burst, now())
        self._tokens = Buckets(burst, per_second)
        self._accounts = Buckets(ACCOUNT_TOKENS * burst, ACCOUNT_TOKENS * per_second)
        self._sign_ins = _hourly(sign_ins)
        self._changes = _hourly(changes)
        self._owners: OrderedDict[str, str] = OrderedDict()

    def is_known(self, secret: str) -> bool:
        """Answer whether the token `secret` was valid when it was last looked up."""
        return _digest(secret) in self._owners

    def check(self, secret: str) -> None:
        """Raise RateError before the lookup of the token `secret` if it would be refused anyway."""
        digest, now = _digest(secret), self._now()
        owner = self._owners.get(digest)
        if owner is None:
            _refuse(self._guesses.wait(now), Share.GUESSES)
        else:
            _refuse(self._wait(digest, owner, now), Share.REQUESTS)

    def check_sign_in(self, secret: str) -> None:
        """Raise RateError as `check` does, and if the account has reached its hourly sign-ins."""
        self.check(secret)
        owner = self._owners.get(_digest(secret))
        if owner is not None:
            now = self._now()
            _refuse(self._sign_ins.find(owner, now).wait(now), Share.SIGN_INS)

    def count_failure(self, secret: str) -> None:
        """Count a request without a valid token; raises RateError beyond the rate of guesses."""
        self._owners.pop(_digest(secret), None)
        _refuse(self._guesses.take(self._now()), Share.GUESSES)

    def count(self, secret: str, account: str, *, is_urgent: bool = False) -> None:
        """Count a request of the valid token `secret` of `account`.

        Raises RateError beyond the token's or the account's rate, unless the request is urgent.
        """
        digest, now = _digest(secret), self._now()
        self._owners.pop(digest, None)
        self._owners[digest] = account
        if len(self._owners) > MAX_BUCKETS:
            self._owners.popitem(last=False)
        wait = self._wait(digest, account, now)
        if not wait:
            self._tokens.find(digest, now).take(now)
            self._accounts.find(account, now).take(now)
        elif not is_urgent:
            _refuse(wait, Share.REQUESTS)

    def count_sign_in(self, account: str) -> None:
        """Count a sign-in to the console; raises RateError beyond the account's rate."""
        now = self._now()
        _refuse(self._sign_ins.find(account, now).take(now), Share.SIGN_INS)

    def count_change(self, account: str) -> None:
        """Count a request for a change; raises RateError beyond the account's rate."""
        now = self._now()
        _refuse(self._changes.find(account, now).take(now), Share.CHANGES)

    def _wait(self, digest: str, account: str, now: float) -> int:
        own = self._tokens.find(digest, now).wait(now)
        return max(own, self._accounts.find(account, now).wait(now))


def _hourly(number: int) -> Buckets:
    return Buckets(max(1, number / HOURLY_BURSTS), number / 3600)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _refuse(wait: int, share: Share) -> None:
    if wait:
        raise RateError(f"Too many requests: try again in {wait} s.", wait, share)


TOKENLESS = ""
"""The account to which connections without a valid token count."""


class Slot(Protocol):
    """A connection; `account` and `token` are those of the last valid token sent over it."""

    account: str
    token: str

    @property
    def is_busy(self) -> bool:
        """Whether one of its requests is being answered."""


def choose_displaced(slots: Sequence[Slot]) -> int | None:
    """Return the index of the connection to close; None to close the new one.

    `slots` are all connections except the new one, oldest first. The choice is among those of the
    account with the most connections: first those of its token with the most, then idle ones, then
    the oldest. With n slots and k accounts, an account with up to n // k connections, or with only
    one, loses none.
    """
    counts = Counter(slot.account for slot in slots)
    counts[TOKENLESS] += 1  # the new one
    largest = max(counts, key=lambda account: (counts[account], account == TOKENLESS))
    own = [index for index, slot in enumerate(slots) if slot.account == largest]
    tokens = Counter(slots[index].token for index in own)
    return min(
        own,
        key=lambda index: (-tokens[slots[index].token], slots[index].is_busy, index),
        default=None,
    )
