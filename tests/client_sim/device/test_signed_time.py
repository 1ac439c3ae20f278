"""The newest signed time, the floor of a phone's clock."""

from client_sim.device.signed_time import clock_floor, load_clock, lower_clock, raise_clock


def test_the_clocks_floor_only_rises():
    """An older signed time is ignored, and an unreadable one is as if absent."""
    state = {}
    assert load_clock(state) == 0
    for seconds, floor in ((30, 30), (20, 30), (70, 70)):
        raise_clock(state, seconds)
        assert load_clock(state) == floor
    for damaged in (b"", b"x", b"-1", b"1.5", b"9" * 17, b"\xff", b"1767225600000"):
        state["clock"] = damaged
        assert load_clock(state) == 0
    raise_clock(state, 1)
    assert load_clock(state) == 1


def test_reset_only_lowers_the_floor():
    """A reset keeps an earlier time; the floor is the newest signed time or build date."""
    state = {}
    lower_clock(state, 30)
    assert not state
    raise_clock(state, 70)
    for seconds, floor in ((80, 70), (50, 50)):
        lower_clock(state, seconds)
        assert load_clock(state) == floor
    for stored, floor in ((b"", 40), (b"70", 70), (b"x", 40)):
        assert clock_floor({"clock": stored} if stored else {}, 30, 40) == floor
