"""Who is due at which tick."""

from client_sim.fleet.timer_wheel import TimerWheel


def test_each_phone_comes_once_at_its_tick():
    """Phones of one tick all come, those of others do not, and nobody comes again."""
    wheel = TimerWheel(5, 8)
    for phone, tick in enumerate([3, 4, 3, 7, 3]):
        wheel.put(phone, tick)
    taken = {tick: sorted(wheel.take(tick)) for tick in range(8)}
    assert taken == {0: [], 1: [], 2: [], 3: [0, 2, 4], 4: [1], 5: [], 6: [], 7: [3]}
    assert list(wheel.take(3)) == []


def test_the_wheel_turns_on():
    """A tick behind the last slot is the first slot of the next turn."""
    wheel = TimerWheel(1, 8)
    wheel.put(0, 11)
    assert list(wheel.take(3)) == [0]


def test_a_phone_that_is_put_while_its_tick_is_taken_comes_later():
    """Whoever is put into the slot that is being emptied stands on the wheel for its next turn."""
    wheel = TimerWheel(3, 4)
    for phone in range(3):
        wheel.put(phone, 0)
    seen = []
    for phone in wheel.take(0):
        seen.append(phone)
        wheel.put(phone, 4)
    assert sorted(seen) == [0, 1, 2]
    assert sorted(wheel.take(4)) == [0, 1, 2]
