"""A report says when, by what and where it was made, and not on whose machine."""

import platform
from datetime import UTC, datetime

from client_sim.pages.origin import Origin

ORIGIN = Origin(datetime(2026, 12, 1, 12, 9, tzinfo=UTC), "hening-device 1.0", "Linux, 2 CPUs")


def test_a_line_names_time_program_and_machine():
    """The date stands alone, too: titles carry it."""
    line = "Made 2026-12-01 12:09 UTC by hening-device 1.0 on Linux, 2 CPUs."
    assert (str(ORIGIN), ORIGIN.day) == (line, "2026-12-01")


def test_what_this_process_makes_has_a_version_and_no_host_name():
    """1764590400 is noon of 1 December 2025."""
    origin = Origin.read(1_764_590_400)
    assert origin.made == datetime(2025, 12, 1, 12, 0, tzinfo=UTC)
    assert origin.program.startswith("hening-device ")
    assert f"Python {platform.python_version()}" in origin.program
    assert platform.machine() in origin.machine
    assert platform.node() not in str(origin)
