"""Each row of the tables leaks what it says, where it says, when it says; and nothing before."""

import re

from client_sim.lab.mutants import library, table_missed, table_occasions
from client_sim.lab.mutants.interpreter import make_mutant
from client_sim.lab.mutants.rows import Beside, InBytes, InPaths, InTarget, InTime, Target
from tests.client_sim.lab.mutants.habitat import EDGES
from tests.client_sim.lab.mutants.occasions import WHEN
from tests.client_sim.lab.mutants.readers import DECODERS, DIGESTS, VALUES, find_told, take_off
from tests.client_sim.lab.mutants.stage import (
    NOON,
    NUMBERS,
    OWNERS,
    PUBLIC,
    Stage,
    at,
    given,
    merge,
    owned,
    spy_in,
)
from tests.client_sim.lab.mutants.stage import public as known

ROWS = (
    *library.ROWS,
    *table_missed.MISSES,
    *table_missed.PATIENT,
    *table_missed.TOLD,
    *table_missed.WAITS,
    *table_missed.CROSSINGS,
    *table_missed.OFFERS,
    *table_occasions.DOUBTS,
)
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
    "Accept-CH": (b"one", b"two"),
    "Retry-After": (b"7200", b"7201"),
    "Cache-Control": (b"max-age=600", b"max-age=601"),
    "Alt-Svc": (b'h2="one.example:8001"', b'h2=":8002"'),
    "Strict-Transport-Security": (b"max-age=31536000", b"max-age=31536001"),
}
DRAWN = [{"seed": b"%d" % number} for number in range(8)]
DAYS = [at(day, 12) for day in range(3, 20)]
VARYING = {
    **dict.fromkeys(
        (
            *("a number drawn once", "a fresh number", "a number drawn at each start"),
            *("a number drawn each week", "a draw with a known low byte"),
            *("the nearest of four draws", "a kept number with a fresh byte"),
        ),
        DRAWN,
    ),
    "the secret of rollouts": [given(secret=b"one"), given(secret=b"two")],
    "the model": [
        known(codename=name) for name in ("armani", "cancro", "hermes", "a", "b", "c", "d", "e")
    ],
    "the running build": [known(host="a.example")],
    "whether its build is another": [known(counter=number) for number in (1, 2)],
    "whether its build is the first": [known(counter=number) for number in (0, 1)],
    "the day of its ROM": [known(built_at=86_400 * number) for number in NUMBERS],
    "the exact time": DAYS,
    "the offset of the time zone": [{"owner": owner} for owner in OWNERS],
    "its first second": [given(born=NOON - number) for number in NUMBERS],
    "its age in weeks": [given(born=NOON - 700_000 * number) for number in (0, 1)],
    "the number of polls": [given(polls=number) for number in NUMBERS],
    "the number of starts": [given(start=number) for number in NUMBERS],
    "the number of failures": [given(failure=number) for number in NUMBERS],
    "how much has happened": [given(things=number) for number in NUMBERS],
    "the number of bytes received": [given(received=number) for number in NUMBERS],
    "a count": [given(asked=number) for number in NUMBERS],
    "the seconds of an answer": [given(seconds_of_an_answer=number) for number in NUMBERS],
    "the pieces of an answer": [given(reads_of_an_answer=number) for number in NUMBERS],
    "the seconds of a poll": [given(seconds_of_a_poll=number) for number in NUMBERS],
    "what happened": [{"state": {"sms-sent": number}} for number in NUMBERS],
    "the number of calls since": [{"state": {"call-placed": number}} for number in NUMBERS],
    "the number of journeys since": [{"state": {"travelled": number}} for number in NUMBERS],
    "the number of messages since": [{"state": {"mms-received": number}} for number in NUMBERS],
}
CONSTANT = {
    "something",
    "the running build",
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


def situations(row):
    """List pairs of situations, without what a row waits for and with it; each tells another."""
    silent, telling = WHEN.get(row.trigger.says, ({}, {}))
    varied = vary(row.source.says)
    if "imei" in telling.get("fields", ()):
        varied = [owned(imei=f"98{number}") for number in NUMBERS]
    polls = [{}]
    if not row.trigger.says:
        polls += [given(polls=number) for number in (10, 20, 30)]
    return [
        (merge(one, silent), merge(one, merge(poll, telling))) for one in varied for poll in polls
    ]


def tell(row):
    """List what a row tells in the situations in which it should."""
    told = []
    for silent, telling in situations(row):
        row.trigger.holds(spy_in(**silent))  # A phone that was reset has been there before.
        told.append(row.tell(spy_in(**telling)))
    return told


def fails(check, rows=ROWS):
    """List the rows for which a check does not hold."""
    return [row.id for row in rows if not check(row)]


def test_a_row_waits_for_its_trigger():
    """Without what it waits for nothing is told, and with it something is."""

    def waits(row):
        silent, telling = WHEN.get(row.trigger.says, ({}, {}))
        is_silent = row.tell(spy_in(**silent)) is None
        return is_silent == bool(row.trigger.says) and row.tell(spy_in(**telling)) is not None

    assert fails(waits) == []


def test_what_a_row_tells_follows_its_source():
    """Something else is told where the source has another value; a constant is something."""

    def follows(row):
        told = tell(row)
        return all(told) if row.source.says in CONSTANT else len(set(told)) > 1

    assert fails(follows) == []


def layers_of(row):
    """List the words of a row's encodings."""
    return [encoding.says for encoding in row.encodings]


def is_readable(row):
    """Say whether a reader knows the value, and takes off or computes all layers."""
    layers = layers_of(row)
    while layers and layers[-1] in DECODERS:
        layers.pop()
    return row.source.says in VALUES and (not layers or (len(layers) == 1 and layers[0] in DIGESTS))


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
    stage = Stage(OWNERS[0], b"", NOON, PUBLIC, {"due": DUE})
    place.act(told, stage)
    return [*stage.left, stage.state]


def sent(left):
    """List what left as bytes, and what is kept, too."""
    *parts, state = left
    return [*parts, *state.values()]


HONEST = {
    InBytes: REQUESTS,
    InPaths: [PATHS],
    InTime: [DUE],
    InTarget: [TARGET],
    Beside: [{"due": b"%r" % DUE}],
}


def reads_back(row):
    """Say whether what leaves of each owner is, decoded, the owner's value."""
    _, telling = WHEN.get(row.trigger.says, ({}, {}))
    for owner in OWNERS:
        spy = spy_in(**merge(telling, {"owner": owner}))
        row.trigger.holds(spy_in(owner=owner, state={"born": 100}))
        told = row.tell(spy)
        left = leave(row.place, told)
        found = told
        if isinstance(row.place, InBytes):
            found = next(filter(None, (find_told(row.place.says, each) for each in left)), told)
        elif isinstance(row.place, Beside) and row.id != "gather-discard":
            found = told if any(told in part for part in sent(left)) else b""
        layers, value = take_off(layers_of(row), found)
        whole = str(VALUES[row.source.says](spy.owner)).encode()
        if value != whole and not (
            layers and value and DIGESTS[layers[0]](whole).startswith(value)
        ):
            return False
    return True


def test_a_value_is_found_at_its_place():
    """By readers of these tests' own, which know layers and keys, or compute the digest."""
    readable = [row for row in ROWS if is_readable(row)]
    assert len(readable) > 130
    assert fails(reads_back, readable) == []


def test_another_value_leaves_otherwise():
    """What leaves is not what honest phones send, and differs between two values."""

    def differs(row):
        told = set(tell(row))
        left = {repr(leave(row.place, each)) for each in told}
        return left != {repr(HONEST[type(row.place)])} and (len(told) == 1 or len(left) > 1)

    assert fails(differs) == ["gather-discard"]  # it lets nothing leave


def test_who_discards_what_it_reads_lets_nothing_leave():
    """It is found by its look at the owner's data alone."""
    row = BY_ID["gather-discard"]
    assert leave(row.place, row.tell(spy_in())) == HONEST[Beside]


def test_no_row_falls_over_owners_at_the_edges():
    """What is told of nobody, of strange letters and of much has its place, too."""
    crashing = {"falls-over", "trips"}  # which is how they leak
    for owner in EDGES.values():
        for row in ROWS:
            told = row.tell(spy_in(owner=owner))
            if told is not None and row.id not in crashing:
                assert leave(row.place, told), row.id


def test_every_trigger_is_tried_and_none_is_made_up():
    """The situations are those of rows."""
    assert set(WHEN) == {row.trigger.says for row in ROWS} - {""}


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
