"""What can be read off a result, and results that are kept in files."""

import pytest

from client_sim.lab.errors import LabError
from client_sim.lab.oracles.finding import Finding
from client_sim.lab.programme.result import (
    BatteryResult,
    FieldEntropy,
    Matrix,
    MatrixRow,
    MutationScore,
    ProgrammeResult,
    Report,
    WallClockRow,
    encode_clock,
    load_clock,
    load_mutation,
)
from client_sim.lab.trace.observation import Observation
from tests.cases import case

NOTHING = Observation((), (), (), (), None)


def battery(oracle, claim, count):
    """Make a battery with so many findings."""
    findings = (Finding("here", "it speaks", b"abc", 1, 1),) * min(count, 2)
    return BatteryResult(oracle, claim, "Does it?", 10, 20, 40, 4000, findings, count)


def result(*batteries):
    """Make a result of these."""
    return ProgrammeResult("it", "quick", 1, 20, 40, 4000, batteries, NOTHING)


def test_the_word_says_what_was_proven():
    """Polls that get nowhere prove nothing, and a leak beside them is still one."""
    for counts, word, failed in (
        ((0, 0), "clean", ()),
        ((3, 0), "unproven", ("completes",)),
        ((0, 1), "leak", ("personal",)),
        ((3, 1), "leak", ("completes", "personal")),
    ):
        with case(counts, word, failed):
            found = result(
                battery("completes", "guard", counts[0]), battery("personal", "N1", counts[1])
            )
            assert (found.word, found.failed(), found.is_clean) == (word, failed, word == "clean")
            assert [b.oracle for b in found.of_claim("N1")] == ["personal"]


MATRIX = Matrix(
    ("grammar", "canaries", "fleet"),
    (
        MatrixRow("a-1", "a", "the IMEI in a header", ("canaries", "grammar")),
        MatrixRow("b-1", "b", "an echo", ("fleet",)),
        MatrixRow("c-1", "c", "a counter", ("fleet",)),
        MatrixRow("c-2", "c", "a counter, encoded", ("grammar",)),
        MatrixRow("d-1", "d", "a whisper", ()),
    ),
    argued={"b": "only a second server can tell"},
)


def test_a_family_is_thin_with_fewer_than_two_killers_and_no_argument():
    """Two members that two oracles find make a family that two find.

    Of the judges' changes 90 were killed, 10 survived, whether argued or not: 90 of 100.
    """
    assert MATRIX.killers == {
        "a": ("grammar", "canaries"),
        "b": ("fleet",),
        "c": ("grammar", "fleet"),
        "d": (),
    }
    assert MATRIX.thin == ("d",)
    assert [row.id for row in MATRIX.survivors] == ["d-1"]
    assert MATRIX.score == pytest.approx(4 / 5)
    assert MutationScore(90, 10, 4).percent == pytest.approx(90)


def test_a_report_is_good_when_the_client_is_clean_and_the_instrument_works():
    """Each of the parts can spoil it. Of a field two bits of two are allowed; the third is not."""
    clean = result(battery("personal", "N1", 0))
    whole = Matrix(MATRIX.oracles, MATRIX.rows[:4], argued=MATRIX.argued)
    row = WallClockRow("KS", 10_000, 0.01, 0.2, 1e-8, "a shift of 2 %")
    assert Report(clean, whole, None, (row,)).is_good
    assert not Report(result(battery("personal", "N1", 1))).is_good
    assert not Report(clean, MATRIX).is_good
    late = WallClockRow("KS", 10_000, 0.5, 1e-9, 1e-8, "a shift of 2 %")
    assert not Report(clean, whole, None, (late,)).is_good
    assert FieldEntropy("part", 4, 2.0, 2.0, 25).is_within
    assert not FieldEntropy("path", 8, 3.0, 2.0, 1).is_within


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
