"""Rows of the tables of leaky clients leak their source in their place when the trigger holds."""

import re
from dataclasses import replace
from types import SimpleNamespace

from client_sim.lab.mutants.interpreter import make_mutant
from client_sim.lab.mutants.library import ROWS
from client_sim.lab.mutants.rows import (
    ALWAYS,
    InBytes,
    InClose,
    InOffer,
    InPaths,
    InTarget,
    InTime,
    SideAction,
    Target,
)
from client_sim.lab.trace.bypasses import watch_bypasses
from client_sim.lab.trace.machine import make_machine
from tests.cases import case
from tests.client_sim.lab.mutants.inputs import EXTREMES
from tests.client_sim.lab.mutants.situations import (
    NOON,
    NUMBERS,
    OWNERS,
    PUBLIC,
    at_time,
    make_world,
    merge,
    public_with,
    read_value,
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
ROLES = ("latest", "targets", "tables", "content", "snapshot")
STORED = {"due": b"%r" % DUE, **{f"role.{role}": b"held" for role in ROLES}}
TARGET = Target("updates.hening.example", 8080, None)

LINES = {
    "ETag": (b'"one"', b'"two"', b'"three"', b'"a"'),
    "Set-Cookie": (b"sid=one; Path=/", b"sid=two; Path=/"),
    "Last-Modified": (b"Thu, 01 Jan 2026 00:00:11 GMT", b"Thu, 01 Jan 2026 00:00:12 GMT"),
    "Link": (b"</metadata/one.json>; rel=next", b"</metadata/two.json>; rel=next"),
    "Location": (b"/metadata/one", b"https://x.example/metadata/two"),
    "Retry-After": (b"7200", b"7201"),
    "Alt-Svc": (b'h2="one.example:8001"', b'h2=":8002"'),
    "Strict-Transport-Security": (b"max-age=31536000", b"max-age=31536001"),
}
DRAWN = [{"seed": b"%d" % number} for number in range(8)]
COUNTED = {
    "the number of starts": "start",
    "the number of failures": "failure",
    "the number of bytes received": "received",
    "the seconds of an answer": "seconds of an answer",
    "the pieces of an answer": "reads of an answer",
    "the seconds of a poll": "seconds of a poll",
    "what happened since the last leak": "event",
    "the number of calls since the last leak": "call-placed",
    "the number of messages since the last leak": "sms-received",
    "the number of starts since the last leak": "start",
    "the number of events between two polls": "events between polls",
}
MACHINES = [{"machine": make_machine(b"%d" % number)} for number in range(8)]
OF_MACHINES = (
    *("the host name", "the user's number", "the system's time zone", "the disk's size"),
    *("the free space", "the number of processors", "the process id", "the day of the year"),
    *("the machine id", "the network card's address", "a bit of the network card's address"),
)
VARYING = {
    **{
        phrase: [{"state": {name: number}} for number in NUMBERS]
        for phrase, name in COUNTED.items()
    },
    **dict.fromkeys(("a number drawn once", "a fresh number"), DRAWN),
    **dict.fromkeys(OF_MACHINES, MACHINES),
    "the number of builds that did not boot": [
        state_with(failed=failed) for failed in ("", "1\n2\n3\n")
    ],
    "the secret of rollouts": [state_with(secret=bytes([number]) * 32) for number in (1, 2)],
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
        read_value(row, **merge(one, poll)) for one in vary(row.source.phrase) for poll in polls
    ]


def test_row_leaks_only_when_its_trigger_holds():
    """Only rows without a trigger leak in a situation in which no trigger holds."""
    for row in ROWS:
        with case(row.id):
            phrase = row.trigger.phrase
            waiting = read_value(row, **merge(NOT_HOLDING.get(phrase, {}), ORDINARY))
            assert (waiting is None) == bool(phrase)
            assert read_value(row, **merge(HOLDING.get(phrase, {}), ORDINARY)) is not None
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
    if isinstance(place, InOffer):
        return [place.put(value)]
    if isinstance(place, InClose):
        done = []
        place.put(value, SimpleNamespace(recv=done.append, close=lambda: done.append("close")))
        return done
    world = make_world(OWNERS[0], b"", NOON, PUBLIC, STORED)
    bypasses = []
    with watch_bypasses(bypasses.append):
        place.act(value, world)
    return [*bypasses, *(left.data for left in world.observation().departures), world.state]


HONEST = {
    InBytes: REQUESTS,
    InPaths: [PATHS],
    InTime: [DUE],
    InTarget: [TARGET],
    InOffer: [False],
    InClose: ["close"],
    SideAction: [STORED],
}


def test_sent_bytes_depend_on_the_leaked_value():
    """They are not what honest phones send."""
    for row in ROWS:
        values = set(list_values(row))
        sent = {repr(put(row.place, value)) for value in values}
        with case(row.id):
            assert sent != {repr(HONEST[type(row.place)])}
            # The lab does not record how long the latter waits.
            assert len(values) == 1 or len(sent) > 1 or row.id == "pause-socket"


def test_rows_with_extreme_owners():
    """Missing, strange and very long data raise nothing when they are put into a place."""
    for owner in EXTREMES.values():
        for row in ROWS:
            value = read_value(row, owner=owner)
            if value is not None and row.id != "falls-over":  # it leaks by crashing
                with case(row.id):
                    put(row.place, value)


def test_sentence_of_a_row():
    """It names the value, the client, the place and the condition."""
    assert BY_ID["imei-three-layers"].leak == (
        "The client shows the base64 form of the hexadecimal form of the reverse of the IMEI in the"
        " header X-D."
    )
    assert BY_ID["if-region-around"].leak == (
        "The real client's transport shows the IMEI in the header X-Device in one region."
    )
    assert BY_ID["two-starts-later"].leak == (
        "The real client's transport shows whether it is 2: the number of starts since the last"
        " leak by ignoring an offer."
    )
    assert BY_ID["tables-at-start"].leak.endswith(" as another request for tables at each start.")
    assert make_mutant(BY_ID["kept-bits"]).only == ("timing",)
