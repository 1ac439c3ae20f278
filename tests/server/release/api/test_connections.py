"""Which connection gives way: the largest holder's."""

from collections import Counter
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from server.release.api.connections import TOKENLESS, choose_leaving


@dataclass
class Slot:
    """A connection."""

    account: str = TOKENLESS
    token: str = ""
    is_busy: bool = False


ANI, BEN = Slot("ani", "a"), Slot("ben", "b")
UNKNOWN = Slot()


def test_tokenless_connections_give_way_first():
    """As many as an account has, the new one among them, they are the largest holder."""
    assert choose_leaving([ANI, UNKNOWN, UNKNOWN]) == 1
    assert choose_leaving([ANI, ANI, UNKNOWN]) == 2


def test_the_largest_account_gives_way():
    """It loses the oldest of its connections, and an account that has fewer keeps its own."""
    assert choose_leaving([BEN, ANI, ANI, ANI]) == 1


def test_idle_before_busy():
    """Of one holder an idle connection goes first, and a busy one only where all are."""
    busy = Slot("ani", "a", is_busy=True)
    assert choose_leaving([BEN, busy, ANI]) == 2
    assert choose_leaving([BEN, busy, busy]) == 1


def test_the_largest_token_of_the_account():
    """A leaked token with many connections costs the account's other tokens none."""
    leaked = Slot("ani", "leaked", is_busy=True)
    assert choose_leaving([ANI, leaked, leaked, BEN]) == 1


def test_the_new_one():
    """Where each account has a single connection the new one gives way."""
    assert choose_leaving([ANI, BEN]) is None


@given(st.integers(1, 12), st.lists(st.tuples(st.sampled_from("abcde"), st.booleans())))
def test_a_holder_within_its_share_loses_none(limit, openings):
    """Whatever comes in which order: of n slots and k holders, n // k connections are safe.

    Each step opens a connection; it may show a token of an account at once, or never.
    """
    slots = []
    for account, shows in openings:
        if len(slots) == limit:
            before = Counter(slot.account for slot in slots)
            before[TOKENLESS] += 1
            leaving = choose_leaving(slots)
            loser = TOKENLESS if leaving is None else slots[leaving].account
            assert before[loser] > limit // len(before)
            assert loser == TOKENLESS or before[loser] > 1
            if leaving is None:
                continue
            del slots[leaving]
        slots.append(Slot(account, account) if shows else Slot())
