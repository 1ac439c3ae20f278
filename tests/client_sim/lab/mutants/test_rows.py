"""Each row of the tables leaks what it says, where it says, when it says; and nothing before."""

import re
from dataclasses import replace

from client_sim.lab.mutants.interpreter import make_mutant
from client_sim.lab.mutants.library import ROWS
from client_sim.lab.mutants.rows import ALWAYS, Beside, InBytes, InPaths, InTarget, InTime, Target
from tests.client_sim.lab.mutants.habitat import EDGES
from tests.client_sim.lab.mutants.occasions import PLAIN, WAITS, WHEN
from tests.client_sim.lab.mutants.stage import (
    NOON,
    NUMBERS,
    OWNERS,
    PUBLIC,
    at,
    given,
    make_stage,
    merge,
    spy_in,
)
from tests.client_sim.lab.mutants.stage import public as known

BY_ID = {row.id: row for row in ROWS}
HEAD = b"\r\nHost: updates.hening.example:8080\r\nAccept-Encoding: gzip\r\n\r\n"
REQUESTS = [
    b"GET %s HTTP/1.1" % path + HEAD
    for path in (
        *(b"/metadata/2.root.json", b"/metadata/timestamp.json", b"/metadata/4.root.json"),
        *(b"/targets/armani/id/stable/6a.zip", b"/log/proof/latest-0a.3"),
    )
]
PATHS = ("/metadata/2.root.json", "/metadata/timestamp.json")
DUE = NOON + 20_002.0
TARGET = Target("updates.hening.example", 8080, None)

LINES = {
    "ETag": (b'"one"', b'"two"', b'"three"', b'"a"'),
    "Set-Cookie": (b"sid=one; Path=/", b"sid=two; Path=/"),
    "WWW-Authenticate": (b'Digest nonce="1"', b'Digest nonce="2"'),
    "Last-Modified": (b"Thu, 01 Jan 2026 00:00:11 GMT", b"Thu, 01 Jan 2026 00:00:12 GMT"),
    "Link": (b"</metadata/one.json>; rel=next", b"</metadata/two.json>; rel=next"),
    "Location": (b"/metadata/one", b"https://x.example/metadata/two"),
    "Retry-After": (b"7200", b"7201"),
    "Alt-Svc": (b'h2="one.example:8001"', b'h2=":8002"'),
    "Strict-Transport-Security": (b"max-age=31536000", b"max-age=31536001"),
}
DRAWN = [{"seed": b"%d" % number} for number in range(8)]
DAYS = [at(day, 12) for day in range(3, 20)]
COUNTED = {
    "the number of polls": "polls",
    "the number of starts": "start",
    "the number of failures": "failure",
    "how much has happened": "things",
    "the number of bytes received": "received",
    "the seconds of an answer": "seconds of an answer",
    "the pieces of an answer": "reads of an answer",
    "the seconds of a poll": "seconds of a poll",
    "what happened": "sms-sent",
    "the number of calls since": "call-placed",
    "the number of messages since": "mms-received",
}
VARYING = {
    **{says: [{"state": {name: number}} for number in NUMBERS] for says, name in COUNTED.items()},
    **dict.fromkeys(
        ("a number drawn once", "a fresh number", "a draw with a known low byte"), DRAWN
    ),
    "the secret of rollouts": [given(secret=b"one"), given(secret=b"two")],
    "the model": [
        known(codename=name) for name in ("armani", "cancro", "hermes", "a", "b", "c", "d", "e")
    ],
    "whether its build is another": [known(counter=number) for number in (1, 2)],
    "whether its build is the first": [known(counter=number) for number in (0, 1)],
    "the day of its ROM": [known(built_at=86_400 * number) for number in NUMBERS],
    "the exact time": DAYS,
    "the offset of the time zone": [{"owner": owner} for owner in OWNERS],
    "its first second": [given(born=NOON - number) for number in NUMBERS],
    "its age in weeks": [given(born=NOON - 700_000 * number) for number in (0, 1)],
}
CONSTANT = {
    "something",
    "a number that survives a reset",
    "a UUID of the system drawn once",
    "a fresh UUID of the system",
}
"""Sources with the same value for every phone of this process, or another each time."""


def vary(says):
    """List situations in which a source should have different values."""
    if header := re.fullmatch(r"the server's (\S+)", says):
        return [{"state": {f"heard {header[1]}": line}} for line in LINES[header[1]]]
    if header := re.fullmatch(r"the first (\S+) of the server", says):
        return [{"state": {f"heard first {header[1]}": line}} for line in LINES[header[1]]]
    if name := re.fullmatch(r"the (\S+) of an event", says):
        return [{"state": {f"detail {name[1]}": f"+999{number}"}} for number in NUMBERS]
    return VARYING.get(says) or [{"owner": owner} for owner in OWNERS]


def tell(row):
    """List what a row tells where its source has other values, whatever it waits for."""
    row = replace(row, trigger=ALWAYS)
    polls = ({}, *(given(polls=number) for number in (10, 20, 30)))
    return [row.tell(spy_in(**merge(one, poll))) for one in vary(row.source.says) for poll in polls]


def fails(check, rows=ROWS):
    """List the rows for which a check does not hold."""
    return [row.id for row in rows if not check(row)]


def test_a_row_waits_for_its_trigger():
    """Without what it waits for nothing is told, and with it something is."""

    def waits(row):
        says = row.trigger.says
        is_silent = row.tell(spy_in(**merge(WAITS.get(says, {}), PLAIN))) is None
        told = row.tell(spy_in(**merge(WHEN.get(says, {}), PLAIN)))
        return is_silent == bool(says) and told is not None

    assert fails(waits) == []
    assert set(WHEN) == {row.trigger.says for row in ROWS} - {""}


def test_what_a_row_tells_follows_its_source():
    """Something else is told where the source has another value; a constant is something."""

    def follows(row):
        told = tell(row)
        return all(told) if row.source.says in CONSTANT else len(set(told)) > 1

    assert fails(follows) == []


def leave(place, told):
    """Put a value into a place; give all that leaves, and what is kept."""
    if isinstance(place, InBytes):
        try:
            return [place.put(told, data) for data in REQUESTS]
        except ValueError:
            return ["a crash"]
    if isinstance(place, InPaths):
        return [place.put(told, PATHS)]
    if isinstance(place, InTime):
        return [place.put(told, NOON, DUE)]
    if isinstance(place, InTarget):
        return [place.put(told, TARGET)]
    stage = make_stage(OWNERS[0], b"", NOON, PUBLIC, {"due": DUE})
    place.act(told, stage)
    return [*(left.data for left in stage.observation().departures), stage.state]


HONEST = {
    InBytes: REQUESTS,
    InPaths: [PATHS],
    InTime: [DUE],
    InTarget: [TARGET],
    Beside: [{"due": b"%r" % DUE}],
}


def test_another_value_leaves_otherwise():
    """What leaves is not what honest phones send, and differs between two values.

    Who discards what it reads lets nothing leave: its look at the owner's data alone is found.
    """

    def differs(row):
        told = set(tell(row))
        left = {repr(leave(row.place, each)) for each in told}
        return left != {repr(HONEST[type(row.place)])} and (len(told) == 1 or len(left) > 1)

    assert fails(differs) == ["gather-discard"]
    row = BY_ID["gather-discard"]
    assert leave(row.place, row.tell(spy_in())) == HONEST[Beside]


def test_no_row_falls_over_owners_at_the_edges():
    """What is told of nobody, of strange letters and of much has its place, too."""
    for owner in EDGES.values():
        for row in ROWS:
            told = row.tell(spy_in(owner=owner))
            if told is not None and row.id != "falls-over":  # which is how it leaks
                assert leave(row.place, told), row.id


def test_a_row_says_what_it_is():
    """Its sentence names what is shown, by whom, where and when."""
    assert BY_ID["imei-three-layers"].leak == (
        "The client shows the base64 form of the hexadecimal form of the reverse of the IMEI in the"
        " header X-D."
    )
    assert BY_ID["if-tls-around"].leak == (
        "The real client's transport shows the IMEI in the header X-Device over TLS."
    )
    assert make_mutant(BY_ID["kept-bits"]).only == ("timing",)
