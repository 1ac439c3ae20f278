"""Phones that are due at a tick."""

from client_sim.fleet.timer_wheel import TimerWheel


def test_phones_are_taken_once_at_their_tick():
    """A tick after the last slot is in the first slot of the next turn."""
    wheel = TimerWheel(6, 8)
    for phone, tick in enumerate([3, 4, 3, 7, 3, 13]):
        wheel.put(phone, tick)
    taken = {tick: sorted(wheel.take(tick)) for tick in (0, 1, 2, 3, 4, 7)}
    assert taken == {0: [], 1: [], 2: [], 3: [0, 2, 4], 4: [1], 7: [3]}
    assert list(wheel.take(3)) == []
    assert list(wheel.take(5)) == [5]


def test_phone_put_into_the_slot_that_is_taken():
    """It is due in the next turn of the wheel."""
    wheel = TimerWheel(3, 4)
    for phone in range(3):
        wheel.put(phone, 0)
    seen = []
    for phone in wheel.take(0):
        seen.append(phone)
        wheel.put(phone, 4)
    assert sorted(seen) == [0, 1, 2]
    assert sorted(wheel.take(4)) == [0, 1, 2]
