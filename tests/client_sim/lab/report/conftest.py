"""Reports made by hand: a clean one, a leaking one, and one with hostile texts."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from client_sim.lab.oracles.finding import Finding
from client_sim.lab.programme.covering import Coverage, Crossings
from client_sim.lab.programme.result import (
    BatteryResult,
    FieldEntropy,
    Matrix,
    MatrixRow,
    MutationScore,
    ProgrammeResult,
    Report,
    Smallest,
    WallClockRow,
)
from client_sim.lab.report.presentable import present
from client_sim.lab.report.redaction import OwnerRedaction
from client_sim.lab.trace.observation import Channel, Departure, Observation
from client_sim.persona import make_persona

OWNER = make_persona(1)
POLL = (
    b"GET /metadata/2.root.json HTTP/1.1\r\nHost: updates.example.org\r\n"
    b"Accept-Encoding: gzip\r\n\r\n"
    b"GET /metadata/timestamp.json HTTP/1.1\r\nHost: updates.example.org\r\n"
    b"Accept-Encoding: gzip\r\n\r\n"
)
LEAK = b"POST /pass HTTP/1.1\r\n\r\nimei=" + OWNER.imei.encode() + b"&end"
TRAP = "\x1b[2J\x07</td><script>alert(1)</script>]]>&\x00\u202e\ufffe\ud800'\""
LONG = TRAP + "x" * 400  # a word wider than a phone's screen


def observe(*sent):
    """Make a run with a connection for each string, sent in two pieces."""
    departures = []
    for index, data in enumerate(sent):
        middle = len(data) // 2
        departures += [
            Departure(0.0, "poll 1", Channel.CONNECT, index, b"198.51.100.1 8080 plain"),
            Departure(0.0, "poll 1", Channel.BYTES, index, data[:middle]),
            Departure(0.0, "poll 1", Channel.BYTES, index, data[middle:]),
            Departure(0.0, "poll 1", Channel.CLOSE, index, b""),
        ]
    return Observation(tuple(departures), (), (), (b"",) * len(sent), None, ("nothing new",))


def battery(oracle, claim, *findings, smallest=None):
    """Make the result of a battery with these findings."""
    question = f"What does {oracle} ask?"
    return BatteryResult(
        oracle, claim, question, 1500, 3000, 6000, 900_000, findings, len(findings), smallest
    )


CLEAN = ProgrammeResult(
    client="clean",
    profile="full",
    seed=7,
    runs=3000,
    polls=6000,
    size=900_000,
    batteries=(
        battery("personal", "N1"),
        battery("fleet", "N2"),
        battery("server-state", "N3"),
        battery("timing", "N4"),
        battery("grammar", "guard"),
        battery("canaries", "guard"),
    ),
    sample=observe(POLL, POLL),
    fields=(FieldEntropy("part of latest", 4, 1.98, 2.0, 240),),
    intervals=tuple(14_400.0 + 14_400 * (step + 0.5) / 160 for step in range(160)),
    scope="everything",
    owners=(OWNER,),
    crossings=Crossings(
        {"life": ("quiet", "talk"), "fault": ("none", "network")},
        (Coverage(2, ("life", "fault"), 4, 4),),
    ),
)
AT = LEAK.index(OWNER.imei.encode())
SMALLEST = Smallest(("poll", "poll"), ("imei",), "It still shows with two polls.")
LEAKING = replace(
    CLEAN,
    client="of 2014",
    batteries=(
        battery(
            "personal",
            "N1",
            Finding(
                *("bytes, connection 1, poll 1", "owner 2 differs", LEAK, AT, 15, POLL),
                channel="octets",
                field="request 1, body",
            ),
            smallest=SMALLEST,
        ),
        battery("fleet", "N2"),
        battery(
            "canaries",
            "guard",
            Finding("connection 1, poll 1", f"imei as it is: {OWNER.imei}", LEAK, AT, 15),
        ),
    ),
    sample=observe(LEAK),
)
HOSTILE = replace(
    CLEAN,
    client=TRAP,
    scope=TRAP,
    batteries=(
        battery(
            "canaries",
            "guard",
            Finding(
                TRAP, LONG, TRAP.encode("utf-8", "replace"), 3, 9, TRAP.encode("utf-16", "replace")
            ),
            smallest=Smallest((TRAP,), (TRAP,), TRAP),
        ),
    ),
    sample=replace(observe(TRAP.encode("utf-8", "replace") * 3), outcomes=(TRAP,)),
    fields=(FieldEntropy(TRAP, 1, 0.0, 0.0, 1),),
)
MATRIX = Matrix(
    ("grammar", "canaries", "server-state"),
    (
        MatrixRow("query-1", "a value in the query", "the IMEI", ("grammar", "canaries")),
        MatrixRow("query-2", "a value in the query", "its hash", ("grammar",)),
        MatrixRow("etag-1", "an echo", "the validator", ("server-state",)),
    ),
    (MatrixRow("reader", "harmless", "reads and forgets", ()),),
    {"an echo": "only a second server can tell"},
)
POOR = Matrix(
    MATRIX.oracles,
    (*MATRIX.rows, MatrixRow("whisper", "a whisper", TRAP, ())),
    (MatrixRow("reader", "harmless", "reads and forgets", ("grammar",)),),
    {},
)
CLOCKS = (WallClockRow("KS", 20_000, 0.004, 0.31, 1e-8, "a shift of 2 %"),)


@pytest.fixture(scope="session")
def reports():
    """Return the reports by name, with their raw forms and parts."""
    made = {
        "clean": Report(CLEAN, MATRIX, MutationScore(90, 10, 4), CLOCKS),
        "leaking": Report(LEAKING),
        "hostile": Report(HOSTILE, replace(POOR, argued={TRAP: TRAP}), None, CLOCKS),
    }
    covered = {name: present(report, OwnerRedaction((OWNER,))) for name, report in made.items()}
    return SimpleNamespace(
        owner=OWNER, poll=POLL, leak=LEAK, trap=TRAP, poor=POOR, raw=made, **covered
    )
