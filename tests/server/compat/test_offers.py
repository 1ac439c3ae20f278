"""The offers to clients without a bucket: each row of the table in FORMATS section 18."""

import msgspec

from server.compat.offers import find_held_back, offer_at, switch_times
from tests.server.compat.models import (
    BEFORE,
    EXPIRY,
    FROM,
    ITEMS,
    POINTER,
    START,
    STEP_3,
    make_item,
    make_pointer,
    make_shelf,
    withdraw,
)


def counter_at(offers, now):
    """Return the offered counter, or None."""
    build = offer_at(offers, now)
    return None if build is None else build.full.release.counter


def halted(pointer=POINTER):
    """Return a halted pointer."""
    return msgspec.structs.replace(pointer, halted=True)


def test_offers_before_and_at_each_switch():
    """Each row has a channel's offers, a second, and the offers before and from that second."""
    alone = make_pointer(3, packages=STEP_3)
    paused = make_pointer(3, p=True, r=[[START, 500]], c=2)
    paused_whole = make_pointer(3, p=True, r=[[START, 1000]], c=2)
    gone = [ITEMS[0], withdraw(ITEMS[1]), *ITEMS[2:]]
    late_gone = [*ITEMS[:3], withdraw(ITEMS[3]), ITEMS[4]]
    stone = [make_item(2), make_item(3, min_counter=2)]
    over_stone = make_pointer(2, 3, c=2)
    rows = {
        "a share below 1000 is the build before": (make_shelf(), START, 2, 2),
        "the switch": (make_shelf(), FROM, 2, 3),
        "nothing before": (make_shelf(alone), FROM, None, 3),
        "paused below": (make_shelf(paused), FROM, 2, 2),
        "paused at the whole fleet": (make_shelf(paused_whole), START, 2, 3),
        "halted": (make_shelf(halted()), FROM, 2, 2),
        "halted, and nothing before": (make_shelf(halted(alone)), FROM, None, None),
        "no build": (make_shelf(None), FROM, None, None),
        "the build before withdrawn": (make_shelf(halted(), gone), FROM, None, None),
        "withdrawn, and still in the pointer": (make_shelf(items=late_gone), FROM, 2, None),
        "expired": (make_shelf(), EXPIRY, 3, None),
        "a stepping stone": (make_shelf(over_stone, stone), FROM, 2, 2),
        "past the stone": (make_shelf(over_stone, stone, from_counter=2), FROM, 2, 3),
        "a canary channel": (make_shelf(permille=500), START, 2, 3),
        "bytes lost": (make_shelf(absent=[ITEMS[3].path]), FROM, 2, None),
    }
    for name, (offers, second, before, after) in rows.items():
        assert (counter_at(offers, second - 1), counter_at(offers, second)) == (before, after), name


def test_incrementals_of_an_offer():
    """Only incrementals of the pointer, or of the build before, are named, if they are stored."""
    late = [*ITEMS, make_item(3, 1)]
    offers = make_shelf(items=late)
    assert [each.file for each in offer_at(offers, FROM).incrementals] == ["armani-3-from-2.zip"]
    assert [each.file for each in offer_at(offers, START).incrementals] == ["armani-2-from-1.zip"]
    lost = make_shelf(absent=[ITEMS[4].path])
    assert offer_at(lost, FROM).incrementals == ()


def test_seconds_of_change():
    """An offer changes when it is complete and at the expiry; in a canary channel earlier."""
    assert switch_times(make_shelf()) == {FROM, EXPIRY}
    assert switch_times(make_shelf(permille=500)) == {START, EXPIRY}
    assert switch_times(make_shelf(make_pointer(3, r=[[START, 999]]))) == {EXPIRY}
    assert switch_times(make_shelf(None)) == set()


def test_build_below_the_client_counter_is_reported():
    """A complete build that the client channel's counter keeps back is reported."""
    stone = [make_item(2), make_item(3, min_counter=2)]
    offers = make_shelf(make_pointer(2, 3), stone)
    assert find_held_back(offers, FROM).counter == 3
    assert find_held_back(offers, BEFORE) is None
    assert find_held_back(make_shelf(make_pointer(2, 3), stone, from_counter=2), FROM) is None
