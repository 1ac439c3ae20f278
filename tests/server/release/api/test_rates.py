"""Rate limits: token buckets of tokens, accounts and guesses, and limits of connections."""

from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.buckets import Bucket
from server.release.api import listener
from server.release.api.rates import TOKENLESS, Rates, choose_displaced
from server.release.errors import RateError, Share
from tests.server.release.api_world import api_world


class Clock:
    """A monotonic clock that the test sets."""

    now = 1000.0

    def __call__(self):
        """Return the time."""
        return self.now


@pytest.fixture
def clock():
    """Return a clock."""
    return Clock()


def spend(take):
    """Take from a bucket until it refuses; return the number taken and the seconds to wait."""
    for count in range(10_000):
        try:
            take()
        except RateError as error:
            return count, error.retry_after
    raise AssertionError("never refused")


def test_burst_and_rate_of_a_token(clock):
    """At 10 a second, a token has a burst of 40, then 10 each second.

    Other tokens are not affected. A clock that stands still or jumps back adds nothing.
    """
    rates = Rates(10, 60, 60, clock)
    assert spend(lambda: rates.count("a", "a")) == (40, 1)
    assert spend(lambda: rates.count("b", "b")) == (40, 1)
    assert spend(lambda: rates.count("a", "a")) == (0, 1)
    clock.now += 1
    assert spend(lambda: rates.count("a", "a")) == (10, 1)
    clock.now += 3600
    assert spend(lambda: rates.count("a", "a")) == (40, 1)
    clock.now -= 100
    assert spend(lambda: rates.count("a", "a")) == (0, 1)


def test_tokens_of_an_account_share_a_rate(clock):
    """All tokens of one account together have twice the rate of one token."""
    rates = Rates(10, 60, 60, clock)
    tokens = iter(f"token-{number}" for number in range(100))
    assert spend(lambda: rates.count(next(tokens), "ben")) == (80, 1)
    rates.count("another", "eka")


def test_token_over_its_rate_is_not_looked_up(clock):
    """A token over its own or its account's rate is refused without a look-up."""
    rates = Rates(1, 60, 60, clock)
    rates.count("idle", "ben")
    for token in ("a", "b"):
        assert spend(lambda token=token: rates.count(token, "ben"))[1] == 1
    for token in ("a", "idle"):
        with pytest.raises(RateError) as refused:
            rates.check(token)
        assert refused.value.share is Share.REQUESTS


def test_unknown_tokens_share_one_bucket(clock):
    """All unknown tokens share one rate; beyond it they are not looked up.

    A revoked token counts as unknown.
    """
    rates = Rates(10, 60, 60, clock)
    for token in ("good", "revoked"):
        rates.count(token, token)
    rates.count_failure("revoked")
    assert spend(lambda: rates.count_failure("bad")) == (39, 1)
    for token in ("another", "revoked"):
        with pytest.raises(RateError):
            rates.check(token)
    rates.check("good")
    clock.now += 0.3
    rates.check("another")


def test_urgent_requests_are_never_refused(clock):
    """An urgent request takes from the bucket and is not refused if that is empty."""
    rates = Rates(10, 60, 60, clock)
    spend(lambda: rates.count("a", "a"))
    rates.count("a", "a", is_urgent=True)
    with pytest.raises(RateError):
        rates.count("a", "a")


def test_sign_ins(clock):
    """An account has a burst of ten sign-ins, then one a minute.

    A sign-in over the rate is not looked up. Other uses of the token are not affected.
    """
    rates = Rates(1000, 60, 60, clock)
    rates.count("token", "ben")
    rates.check_sign_in("token")
    assert spend(lambda: rates.count_sign_in("ben")) == (10, 60)
    with pytest.raises(RateError) as refused:
        rates.check_sign_in("token")
    assert refused.value.share is Share.SIGN_INS
    rates.check("token")
    rates.check_sign_in("another")
    rates.count_sign_in("eka")
    clock.now += 60
    assert spend(lambda: rates.count_sign_in("ben")) == (1, 60)


def test_changes(clock):
    """An account has a burst of a sixth of its hourly changes."""
    rates = Rates(1000, 60, 3600, clock)
    assert spend(lambda: rates.count_change("ben")) == (600, 1)
    rates.count_change("eka")


def test_limit_of_remembered_tokens(clock, monkeypatch):
    """The least recently used token is forgotten, and then starts with a full bucket."""
    monkeypatch.setattr("server.core.buckets.MAX_BUCKETS", 3)
    monkeypatch.setattr("server.release.api.rates.MAX_BUCKETS", 3)
    rates = Rates(1, 60, 60, clock)
    for token in "abcad":
        rates.count(token, token)
    assert [spend(lambda token=token: rates.count(token, token))[0] for token in "ab"] == [2, 4]


async def test_halt_is_accepted_with_empty_buckets(world, monkeypatch):
    """A halt is accepted even if all buckets are empty, if the account has the right.

    Other requests get 429 with Retry-After.
    """
    monkeypatch.setattr(Bucket, "wait", lambda _self, _now: 1)  # all buckets are empty
    monkeypatch.setattr(listener, "DELAY_SECONDS", 0)
    channel = "/channels/armani/id/stable"
    async with api_world(world) as api:
        late = await api.call("GET", channel, token="approver")
        assert (late.status, late.problem) == (429, "too-many-requests")
        assert int(late.headers["Retry-After"]) >= 1
        assert (await api.call("POST", f"{channel}/halt", token="guess", body={})).status == 429
        for _ in range(2):
            halted = await api.call("POST", f"{channel}/halt", token="approver", body={})
            assert halted.json["channel"]["state"] == "halted"
        assert (await api.call("POST", f"{channel}/halt", token="viewer", body={})).status == 403
        cancel = "/changes/0123/cancel"
        for token, status in (("approver", 404), ("engineer", 404), ("viewer", 403)):
            assert (await api.call("POST", cancel, token=token, body={})).status == status
        assert (await api.call("GET", channel, token="approver")).status == 429


@dataclass
class Slot:
    """A connection."""

    account: str = TOKENLESS
    token: str = ""
    is_busy: bool = False


ANI, BEN = Slot("ani", "a"), Slot("ben", "b")
UNKNOWN = Slot()


def test_which_connection_is_displaced():
    """The oldest idle connection of the holder with the most connections is closed.

    Within a holder the largest token loses it, and connections without a token go first.
    """
    busy, leaked = Slot("ani", "a", is_busy=True), Slot("ani", "leaked", is_busy=True)
    for slots, leaving in (
        ([ANI, UNKNOWN, UNKNOWN], 1),  # with the new connection they are the largest holder
        ([ANI, ANI, UNKNOWN], 2),
        ([BEN, ANI, ANI, ANI], 1),  # an account with fewer connections keeps its own
        ([BEN, busy, ANI], 2),
        ([BEN, busy, busy], 1),
        ([ANI, leaked, leaked, BEN], 1),  # the account's other tokens lose none
        ([ANI, BEN], None),  # the new one, if each account has only one connection
    ):
        assert choose_displaced(slots) == leaving, slots


@given(st.integers(1, 12), st.lists(st.tuples(st.sampled_from("abcde"), st.booleans())))
def test_holder_within_its_share_loses_no_connection(limit, openings):
    """With n slots and k holders, n // k connections of each holder are never closed.

    Each step opens a connection, which shows an account's token immediately or never.
    """
    slots = []
    for account, shows in openings:
        if len(slots) == limit:
            before = Counter(slot.account for slot in slots)
            before[TOKENLESS] += 1
            leaving = choose_displaced(slots)
            loser = TOKENLESS if leaving is None else slots[leaving].account
            assert before[loser] > limit // len(before)
            assert loser == TOKENLESS or before[loser] > 1
            if leaving is None:
                continue
            del slots[leaving]
        slots.append(Slot(account, account) if shows else Slot())
