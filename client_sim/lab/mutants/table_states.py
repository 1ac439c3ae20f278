"""Leaks by state, times, echoes and connections (L33 to L50, L54, L55).

The module also has leaks of two parts (`higher-order`), and clients that only collect (`gather`).
"""

from typing import Final

from client_sim.lab.mutants import covert, encodings, places, sources, triggers
from client_sim.lab.mutants.rows import Row, transport_row

_CRASHES: Final = "crash.example.org"
_BIT: Final = (encodings.PARITY,)
_INTERVALS: Final = (encodings.modulo(14_401),)
_CALLS: Final = sources.since_last_leak("the number of calls", "call-placed", "call-received")
_MESSAGES: Final = sources.since_last_leak("the number of messages", "sms-received", "mms-received")
_TAG: Final = sources.last_header("ETag")
_COOKIE: Final = sources.last_header("Set-Cookie")
_DATE: Final = sources.last_header("Last-Modified")
_WAIT: Final = sources.last_header("Retry-After")
_LINK: Final = sources.last_header("Link")
_MOVED: Final = sources.last_header("Location")
_ENDPOINT: Final = sources.last_header("Alt-Svc")
_HAS_STRICT: Final = triggers.header_seen("Strict-Transport-Security")

MEMORIES: Final = (
    Row("counter-boots", "L33", sources.STARTS, (), places.query("boot")),
    Row("counter-failures", "L33", sources.FAILURES, (), places.header("X-Attempt")),
    transport_row("counter-octets-around", "L33", sources.RECEIVED, (), places.header("X-Q")),
    Row("birth-age", "L34", sources.AGE, (), places.header("X-Age")),
    Row("birth-minute", "L34", sources.BIRTH, (), covert.low_part(3600)),
    Row("birth-half", "L34", sources.BIRTH, (encodings.ODD,), covert.HALF),
    Row("flag-which-request", "L35", sources.IMEI, _BIT, places.WHICH_REQUEST),
    transport_row(
        *("flag-daily-around", "L35", sources.SOMETHING, ()),
        places.rewritten(b"gzip", b"gzip, identity", "as an additional coding"),
        triggers.DAILY,
    ),
)

TIMES: Final = (
    # Times that depend on the owner's numbers.
    Row(
        "phase-imei-hour",
        "L36",
        sources.IMEI,
        (encodings.rest(3600),),
        covert.EVERY_SIX_HOURS,
    ),
    transport_row(
        "phase-number-around", "L36", sources.PHONE, (encodings.rest(100),), covert.later(1)
    ),
    Row("jitter-milliseconds", "L37", sources.BATTERY, (), covert.THOUSANDTHS),
    transport_row(
        "jitter-parity-around", "L37", sources.ICCID, (encodings.at(-2),), covert.low_part(2)
    ),
    # Times that depend on numbers that the phone drew.
    Row(
        "phase-kept",
        "L38",
        sources.drawn_once("phase", 8),
        _INTERVALS,
        covert.INTERVAL_FROM_CALL,
    ),
    Row(
        "phase-second",
        "L38",
        sources.drawn_once("second", 8),
        _INTERVALS,
        covert.low_part(3600),
    ),
    # Times that depend on events.
    Row(
        "activity-sooner",
        "L39",
        sources.since_last_leak("what happened", "event"),
        (),
        covert.HALF,
    ),
    Row("activity-look-up", "L39", sources.SOMETHING, (), covert.lookups("wifi-joined")),
    Row("burst-digit", "L40", sources.IMSI, (encodings.at(-1),), places.AGAIN),
    Row("burst-calls", "L40", _CALLS, (), places.ROOT_AGAIN),
    transport_row("burst-questions-around", "L40", _MESSAGES, (), covert.lookups()),
)

ECHOES: Final = (
    Row("tag-time", "L41", _TAG, (encodings.rest(256),), covert.low_part(256)),
    Row("tag-wait", "L41", _TAG, (encodings.rest(14_400),), covert.WAIT),
    transport_row("tag-echo-around", "L41", _TAG, (), places.header("If-None-Match")),
    Row(
        *("cookie-echo", "L42", _COOKIE, (encodings.FIRST_PART,), places.header("Cookie")),
        triggers.NAMED,
    ),
    transport_row("cookie-echo-around", "L42", _COOKIE, (), places.header("Cookie")),
    Row("modified-echo", "L43", _DATE, (), places.header("If-Modified-Since")),
    Row(
        *("link-follow", "L44", _LINK, (encodings.PATH,), places.path_last("")),
        triggers.header_seen("Link"),
    ),
    transport_row("redirect-referer-around", "L44", _MOVED, (), places.header("Referer")),
    transport_row("wait-retry-around", "L45", _WAIT, (), covert.WAIT),
    Row("door-other", "L46", _ENDPOINT, (encodings.IN_QUOTES,), covert.OTHER_ENDPOINT),
    Row("door-strict", "L46", sources.SOMETHING, (), covert.SECURE, _HAS_STRICT),
)

CONNECTIONS: Final = (
    Row(
        "resumed-name",
        "L47",
        sources.drawn_once("id", 8),
        (encodings.HEX,),
        covert.TLS_LABEL,
    ),
    Row(
        *("resumed-early", "L47", sources.last_header("ETag"), (encodings.digest("sha256", 32),)),
        *(places.BEFORE_ROOT, triggers.header_seen("ETag")),
    ),
    transport_row("hello-case-around", "L48", sources.IMEI, _BIT, covert.TLS_CASE),
    Row("key-owner", "L50", sources.IMEI, (encodings.at(-1),), places.path_first("/ohttp-keys/")),
    transport_row("hangs-on-around", "L49", sources.SOMETHING, (), covert.OPEN),
    # These read although no answer is pending, so that the connection's duration reveals a bit.
    Row("reads-on-owner", "L49", sources.IMEI, _BIT, covert.READ_ON, only=("personal",)),
    Row(
        *("reads-on-events", "L49", sources.EVENTS_BETWEEN, (encodings.ODD,), covert.READ_ON),
        only=("events",),
    ),
    transport_row(
        *("key-around", "L50", sources.drawn_once("key", 1), (encodings.modulo(8),)),
        covert.lookup("k{}.{host}", "connect"),
    ),
    Row("plain-injected", "L54", sources.IMSI, (), places.header("X-IMSI"), triggers.PLAIN),
    transport_row(
        "plain-injected-around", "L54", sources.PHONE, (), places.header("X-MSISDN"), triggers.PLAIN
    ),
)

CRASHES: Final = (
    Row(
        *("report-status", "L55", sources.CARRIER, (encodings.QUOTED,)),
        places.header("X-Last-Error"),
        triggers.after("strange answer"),
    ),
    Row(
        *("report-second", "L55", sources.IMEI, _BIT, covert.low_part(2)),
        triggers.polls_after("failure", 0),
    ),
    Row("report-half", "L55", sources.IMEI, _BIT, covert.HALF, triggers.polls_after("failure", 0)),
    Row("falls-over", "L55", sources.IMEI, _BIT, places.CRASH),
    transport_row(
        "report-host-around",
        "L55",
        sources.REASON,
        (),
        covert.post(_CRASHES, "/r", "failure", 443),
    ),
)

GATHERING: Final = (
    Row("gather-contacts", "gather", sources.CONTACTS, (), covert.stored()),
    transport_row(
        *("gather-around", "gather", sources.SERIAL, (encodings.digest("sha256"),)),
        covert.stored("polled"),
    ),
)

HIGHER_ORDER: Final = (
    Row("absent-requests", "higher-order", sources.IMEI, _BIT, places.NO_REQUESTS),
    Row("absent-close", "higher-order", sources.IMEI, _BIT, covert.OPEN),
    Row("wait-under-key", "higher-order", sources.IMEI, (encodings.POLL_DRAW,), covert.WAIT),
    Row("bit-in-ten-polls", "higher-order", sources.IMEI, (encodings.TENTH,), places.LINE_ORDER),
    Row(
        *("server-and-owner", "higher-order", sources.IMEI, _BIT, places.LINE_ORDER),
        triggers.header_matches("ETag", "to some servers", triggers.has_odd_digest),
    ),
    Row(
        *("pad-then-masked", "higher-order", sources.IMEI),
        (encodings.XOR_TURNS, encodings.HEX),
        places.header("X-Trace"),
    ),
    Row(
        *("borrowed-time", "higher-order", sources.ICCID),
        (encodings.at(-1), encodings.TURNING),
        covert.later(30),
    ),
)

ROWS: Final = (*(*MEMORIES, *TIMES, *ECHOES, *CONNECTIONS, *CRASHES), *(*GATHERING, *HIGHER_ORDER))
