"""Results that are kept in files."""

import pytest

from client_sim.lab.errors import LabError
from client_sim.lab.programme.records import encode_clock, load_clock, load_mutation
from client_sim.lab.programme.result import WallClockRow

ROWS = (
    WallClockRow("whole poll: mean", 2000, -1.25, 0.21, 3.6e-9, "40 us later"),
    WallClockRow("whole poll: bit 0", 2000, 0.0, 1.0, 3.6e-9, "a bit set 13.2% more often"),
)


def test_clocks_are_read_as_they_were_written(tmp_path):
    """A line for each row; nothing is lost."""
    file = tmp_path / "clock.json"
    file.write_bytes(encode_clock(ROWS))
    assert load_clock(file) == ROWS
    assert len(file.read_text().splitlines()) == len(ROWS) + 2


@pytest.mark.parametrize("data", [b"", b"{}", b'[{"test":1}]', b"\xff", b"[" * 5000])
def test_what_is_no_record_is_said(data, tmp_path):
    """With the file's name and what makes such a file."""
    file = tmp_path / "clock.json"
    file.write_bytes(data)
    with pytest.raises(LabError, match="lab clock"):
        load_clock(file)
    with pytest.raises(LabError, match="make mutation"):
        load_mutation(file)


def test_the_score_is_that_of_all_judges_together(tmp_path):
    """Killed, survived and argued are sums: 7 + 2 of 12, whatever is argued."""
    file = tmp_path / "mutation.json"
    file.write_text(
        '{"tool": "mutmut", "modules": ['
        '{"module": "a", "killed": 7, "survived": 2, "argued": 1, "unknown": 3},'
        '{"module": "b", "killed": 2, "survived": 1, "argued": 0, "unknown": 0}]}'
    )
    score = load_mutation(file)
    assert (score.killed, score.survived, score.argued) == (9, 3, 1)
    assert score.percent == 75
    assert load_mutation().killed > 0
