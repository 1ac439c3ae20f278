"""Rows of the tables of leaky clients leak their source in their place when the trigger holds."""

import re
from dataclasses import replace

from client_sim.lab.mutants.interpreter import make_mutant
from client_sim.lab.mutants.library import ROWS
from client_sim.lab.mutants.rows import (
    ALWAYS,
    InBytes,
    InPaths,
    InTarget,
    InTime,
    SideAction,
    Target,
)
from tests.cases import case
from tests.client_sim.lab.mutants.inputs import EXTREMES
from tests.client_sim.lab.mutants.situations import (
    NOON,
    NUMBERS,
    OWNERS,
    PUBLIC,
    at_time,
    make_spy,
    make_world,
    merge,
    public_with,
    state_with,
)
from tests.client_sim.lab.mutants.triggers import HOLDING, NOT_HOLDING, ORDINARY

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
    **{
        phrase: [{"state": {name: number}} for number in NUMBERS]
        for phrase, name in COUNTED.items()
    },
    **dict.fromkeys(
        ("a number drawn once", "a fresh number", "a draw with a known low byte"), DRAWN
    ),
    "the secret of rollouts": [state_with(secret=b"one"), state_with(secret=b"two")],
    "the model": [
        public_with(codename=name)
        for name in ("armani", "cancro", "hermes", "a", "b", "c", "d", "e")
    ],
    "whether its build is another": [public_with(counter=number) for number in (1, 2)],
    "whether its build is the first": [public_with(counter=number) for number in (0, 1)],
    "the day of its ROM": [public_with(built_at=86_400 * number) for number in NUMBERS],
    "the exact time": [at_time(day, 12) for day in range(3, 20)],
    "the offset of the time zone": [{"owner": owner} for owner in OWNERS],
    "its first second": [state_with(born=NOON - number) for number in NUMBERS],
    "its age in weeks": [state_with(born=NOON - 700_000 * number) for number in (0, 1)],
}
CONSTANT = {
    "something",
    "a number that survives a reset",
    "a UUID of the system drawn once",
    "a fresh UUID of the system",
}
"""Sources with one value for all phones of this process, or with another each time."""


def vary(phrase):
    """List situations in which a source has different values."""
    if header := re.fullmatch(r"the server's (\S+)", phrase):
        return [{"state": {f"heard {header[1]}": line}} for line in LINES[header[1]]]
    if header := re.fullmatch(r"the first (\S+) of the server", phrase):
        return [{"state": {f"heard first {header[1]}": line}} for line in LINES[header[1]]]
    if name := re.fullmatch(r"the (\S+) of an event", phrase):
        return [{"state": {f"detail {name[1]}": f"+999{number}"}} for number in NUMBERS]
    return VARYING.get(phrase) or [{"owner": owner} for owner in OWNERS]


def list_values(row):
    """List the encoded values that a row leaks in different situations, without its trigger."""
    row = replace(row, trigger=ALWAYS)
    polls = ({}, *(state_with(polls=number) for number in (10, 20, 30)))
    return [
        row.leaked_value(make_spy(**merge(one, poll)))
        for one in vary(row.source.phrase)
        for poll in polls
    ]


def test_row_leaks_only_when_its_trigger_holds():
    """Only rows without a trigger leak in a situation in which no trigger holds."""
    for row in ROWS:
        with case(row.id):
            phrase = row.trigger.phrase
            delays = row.leaked_value(make_spy(**merge(NOT_HOLDING.get(phrase, {}), ORDINARY)))
            assert (delays is None) == bool(phrase)
            assert (
                row.leaked_value(make_spy(**merge(HOLDING.get(phrase, {}), ORDINARY))) is not None
            )
    assert set(HOLDING) == {row.trigger.phrase for row in ROWS} - {""}


def test_leaked_value_depends_on_the_source():
    """Different values of a source are leaked as different bytes."""
    for row in ROWS:
        with case(row.id):
            values = list_values(row)
            assert all(values) if row.source.phrase in CONSTANT else len(set(values)) > 1


def put(place, value):
    """Put a value into a place; return everything that leaves, and the stored state."""
    if isinstance(place, InBytes):
        try:
            return [place.put(value, data) for data in REQUESTS]
        except ValueError:
            return ["a crash"]
    if isinstance(place, InPaths):
        return [place.put(value, PATHS)]
    if isinstance(place, InTime):
        return [place.put(value, NOON, DUE)]
    if isinstance(place, InTarget):
        return [place.put(value, TARGET)]
    world = make_world(OWNERS[0], b"", NOON, PUBLIC, {"due": DUE})
    place.act(value, world)
    return [*(left.data for left in world.observation().departures), world.state]


HONEST = {
    InBytes: REQUESTS,
    InPaths: [PATHS],
    InTime: [DUE],
    InTarget: [TARGET],
    SideAction: [{"due": b"%r" % DUE}],
}


def test_sent_bytes_depend_on_the_leaked_value():
    """They are not what honest phones send; `gather-discard` reads a value and sends nothing."""
    for row in ROWS:
        values = set(list_values(row))
        sent = {repr(put(row.place, value)) for value in values}
        with case(row.id):
            if row.id == "gather-discard":
                assert sent == {repr(HONEST[SideAction])}
            else:
                assert sent != {repr(HONEST[type(row.place)])}
                assert len(values) == 1 or len(sent) > 1


def test_rows_with_extreme_owners():
    """Missing, strange and very long data can be put into each place."""
    for owner in EXTREMES.values():
        for row in ROWS:
            value = row.leaked_value(make_spy(owner=owner))
            if value is not None and row.id != "falls-over":  # it leaks by crashing
                assert put(row.place, value), row.id


def test_sentence_of_a_row():
    """It names the value, the client, the place and the condition."""
    assert BY_ID["imei-three-layers"].leak == (
        "The client shows the base64 form of the hexadecimal form of the reverse of the IMEI in the"
        " header X-D."
    )
    assert BY_ID["if-tls-around"].leak == (
        "The real client's transport shows the IMEI in the header X-Device over TLS."
    )
    assert make_mutant(BY_ID["kept-bits"]).only == ("timing",)
