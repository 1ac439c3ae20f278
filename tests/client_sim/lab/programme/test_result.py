"""Results of programmes, and results that are stored in files."""

import pytest

from client_sim.lab.errors import LabError
from client_sim.lab.oracles.finding import Finding
from client_sim.lab.programme.result import (
    BatteryResult,
    FieldEntropy,
    Matrix,
    MatrixRow,
    ProgrammeResult,
    Report,
    WallClockRow,
    encode_clock,
    load_clock,
    load_mutation,
)
from client_sim.lab.trace.observation import Observation
from tests.cases import case


def make_battery(oracle, claim, count):
    """Make a battery's result with `count` findings."""
    findings = (Finding("here", "it leaks", b"abc", 1, 1),) * min(count, 2)
    return BatteryResult(oracle, claim, "Does it?", 10, 20, 40, 4000, findings, count)


def make_result(*batteries):
    """Make the result of a programme."""
    nothing = Observation((), (), (), (), None)
    return ProgrammeResult("it", "quick", 1, 20, 40, 4000, batteries, nothing)


def test_verdict_of_a_result():
    """Without completed polls it is unproven, unless there is a leak."""
    for completes, personal, word, failed in (
        (0, 0, "clean", ()),
        (3, 0, "unproven", ("completes",)),
        (0, 1, "leak", ("personal",)),
        (3, 1, "leak", ("completes", "personal")),
    ):
        with case(completes, personal):
            result = make_result(
                make_battery("completes", "guard", completes),
                make_battery("personal", "N1", personal),
            )
            assert (result.verdict, result.failed()) == (word, failed)
            assert result.is_clean == (word == "clean")
            assert [b.oracle for b in result.of_claim("N1")] == ["personal"]


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


def test_families_are_thin_with_fewer_than_two_killers():
    """Killers of all members count together; families with an argument are excepted."""
    assert MATRIX.killers == {
        "a": ("grammar", "canaries"),
        "b": ("fleet",),
        "c": ("grammar", "fleet"),
        "d": (),
    }
    assert MATRIX.thin == ("d",)
    assert [row.id for row in MATRIX.survivors] == ["d-1"]
    assert MATRIX.score == pytest.approx(4 / 5)


def test_report_is_good_if_client_and_instrument_are():
    """It is not with a finding, with a survivor, or with different times."""
    clean = make_result(make_battery("personal", "N1", 0))
    whole = Matrix(MATRIX.oracles, MATRIX.rows[:4], argued=MATRIX.argued)
    row = WallClockRow("KS", 10_000, 0.01, 0.2, 1e-8, "a shift of 2 %")
    assert Report(clean, whole, None, (row,)).is_good
    assert not Report(make_result(make_battery("personal", "N1", 1))).is_good
    assert not Report(clean, MATRIX).is_good
    late = WallClockRow("KS", 10_000, 0.5, 1e-9, 1e-8, "a shift of 2 %")
    assert not Report(clean, whole, None, (late,)).is_good


def test_allowed_entropy_of_a_field():
    """Two bits are within an allowance of two, three are not."""
    assert FieldEntropy("part", 4, 2.0, 2.0, 25).is_within
    assert not FieldEntropy("path", 8, 3.0, 2.0, 1).is_within


ROWS = (
    WallClockRow("whole poll: mean", 2000, -1.25, 0.21, 3.6e-9, "40 us later"),
    WallClockRow("whole poll: bit 0", 2000, 0.0, 1.0, 3.6e-9, "a bit set 13.2% more often"),
)


def test_clock_file_round_trip(tmp_path):
    """The file has one line for each row."""
    file = tmp_path / "clock.json"
    file.write_bytes(encode_clock(ROWS))
    assert load_clock(file) == ROWS
    assert len(file.read_text().splitlines()) == len(ROWS) + 2


def test_other_files_are_refused(tmp_path):
    """The message says which command writes such a file."""
    file = tmp_path / "result.json"
    for data in (b"", b"{}", b'[{"test":1}]', b"\xff", b"[" * 5000):
        file.write_bytes(data)
        with case(data):
            with pytest.raises(LabError, match="lab clock"):
                load_clock(file)
            with pytest.raises(LabError, match="make mutation"):
                load_mutation(file)


def test_mutation_score_is_that_of_all_judges_together(tmp_path):
    """Survivors count whether there is an argument for them or not: 9 of 12 were killed."""
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
