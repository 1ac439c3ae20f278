"""The clock that a fleet turns."""

from client_sim.fleet.clock_file import ClockFile


def test_another_program_reads_microseconds(tmp_path):
    """Eight bytes, little-endian, rewritten in place."""
    clock = ClockFile(tmp_path / "clock", 1_700_000_000.25)
    assert clock.path.read_bytes() == (1_700_000_000_250_000).to_bytes(8, "little")
    clock.turn(1_700_000_300.0)
    clock.turn(50.0)  # an earlier time is passed over: nothing may be signed in the past
    assert clock.seconds == 1_700_000_300.0
    assert clock.path.read_bytes() == (1_700_000_300_000_000).to_bytes(8, "little")
    clock.close()
