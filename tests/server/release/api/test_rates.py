"""Token buckets: the limits of one token, and of all guesses together."""

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
    """A monotonic clock under the test's control."""

    now = 1000.0

    def __call__(self):
        """Return the time."""
        return self.now


@pytest.fixture
def clock():
    """Give a clock."""
    return Clock()


def spend(take):
    """Take until it is refused; return how often, and the seconds to wait."""
    for count in range(10_000):
        try:
            take()
        except RateError as error:
            return count, error.retry_after
    raise AssertionError("never refused")


def test_a_token_has_a_burst_and_a_rate(clock):
    """At 10 a second there is a burst of 40, then 10 each second, never more than 40.

    Other tokens are not affected, and a clock that stands still or jumps back gives nothing.
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


def test_tokens_of_an_account_share(clock):
    """A hundred tokens of one account get the rate of two; other accounts are not affected."""
    rates = Rates(10, 60, 60, clock)
    tokens = iter(f"token-{number}" for number in range(100))
    assert spend(lambda: rates.count(next(tokens), "ben")) == (80, 1)
    rates.count("another", "eka")


def test_what_would_be_refused_is_not_looked_up(clock):
    """A token over its rate, or its account's, is refused without a look-up."""
    rates = Rates(1, 60, 60, clock)
    rates.count("idle", "ben")
    for token in ("a", "b"):
        assert spend(lambda token=token: rates.count(token, "ben"))[1] == 1
    for token in ("a", "idle"):
        with pytest.raises(RateError) as refused:
            rates.check(token)
        assert refused.value.share is Share.REQUESTS


def test_guesses_share_one_bucket(clock):
    """All guesses share one token's rate; after that unknown tokens are not looked up.

    A revoked token is a guess from then on.
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


def test_what_is_urgent_is_never_refused(clock):
    """It takes from the token's bucket, which may be empty already."""
    rates = Rates(10, 60, 60, clock)
    spend(lambda: rates.count("a", "a"))
    rates.count("a", "a", is_urgent=True)
    with pytest.raises(RateError):
        rates.count("a", "a")


def test_sign_ins(clock):
    """An account has a burst of ten sign-ins, then one a minute; another one is not affected.

    One that would be refused is not looked up; other uses of the token continue.
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
    """An account has a burst of a sixth of its hourly changes; another one is not affected."""
    rates = Rates(1000, 60, 3600, clock)
    assert spend(lambda: rates.count_change("ben")) == (600, 1)
    rates.count_change("eka")


def test_only_so_many_tokens_are_remembered(clock, monkeypatch):
    """The least recently used one is forgotten; it starts again with a full bucket."""
    monkeypatch.setattr("server.core.buckets.MAX_BUCKETS", 3)
    monkeypatch.setattr("server.release.api.rates.MAX_BUCKETS", 3)
    rates = Rates(1, 60, 60, clock)
    for token in "abcad":
        rates.count(token, token)
    assert [spend(lambda token=token: rates.count(token, token))[0] for token in "ab"] == [2, 4]


async def test_a_halt_gets_through_guesses(world, monkeypatch):
    """Neither others' guesses nor the account's own rate block a halt; its right is required.

    Other requests are answered with 429 and Retry-After.
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
    """The oldest idle one of the largest token of the largest holder; tokenless ones first."""
    busy, leaked = Slot("ani", "a", is_busy=True), Slot("ani", "leaked", is_busy=True)
    for slots, leaving in (
        ([ANI, UNKNOWN, UNKNOWN], 1),  # with the new one they are the largest holder
        ([ANI, ANI, UNKNOWN], 2),
        ([BEN, ANI, ANI, ANI], 1),  # an account with fewer keeps its own
        ([BEN, busy, ANI], 2),
        ([BEN, busy, busy], 1),
        ([ANI, leaked, leaked, BEN], 1),  # costs the account's other tokens none
        ([ANI, BEN], None),  # the new one, if each account has a single connection
    ):
        assert choose_displaced(slots) == leaving, slots


@given(st.integers(1, 12), st.lists(st.tuples(st.sampled_from("abcde"), st.booleans())))
def test_a_holder_within_its_share_loses_none(limit, openings):
    """For any order of events, with n slots and k holders, n // k connections each are safe.

    Each step opens a connection, which may show an account's token immediately, or never.
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
