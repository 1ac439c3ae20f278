"""Leaks that wait for an owner, a phone, a time or an event, or occur rarely (L56, `rare`).

Earlier versions of the judges did not find some of them; these are here with later ones of the same
classes. Most of these were written by people who had not seen the judges. They wait for long, for
two or three conditions together, or for something between polls. Most read no owner's data.
"""

from dataclasses import replace
from typing import Final

from client_sim.lab.mutants import bypasses, covert, encodings, places, sources, triggers
from client_sim.lab.mutants.rows import ALWAYS, Row, transport_row

_DAY: Final = 86_400
_BIT: Final = (encodings.PARITY,)
_SENDS_IMEI: Final = (sources.IMEI, (), places.header("X-Device"))
_REVERSES_LINES: Final = (sources.SOMETHING, (), places.LINE_ORDER)
_REVERSES_BY_BIT: Final = (sources.IMEI, _BIT, places.LINE_ORDER)
_CUTS_BY_BIT: Final = (sources.IMEI, _BIT, places.IN_TWO)

_CHINA: Final = triggers.phones("in one region", lambda public: public.region == "cn")
_CANCRO: Final = triggers.phones("of one model", lambda public: public.codename == "cancro")
_TESTER: Final = triggers.phones("to testers", lambda public: public.channel == "beta")
_NO_CONTACTS: Final = triggers.owners("without contacts", lambda owner: not owner.contacts)
_UNCHANGED: Final = triggers.after("unchanged")
_SHIFTS: Final = (sources.SOMETHING, (), covert.later(64))
_SHIFTS_BY_SECRET: Final = (sources.SECRET, (encodings.rest(14_401),), covert.SHIFTED)
_BACK_IN_TIME: Final = triggers.since_last("after a clock went back", lambda since: since < 0)
_ODD: Final = (encodings.ODD,)
_IN_TWO: Final = (sources.SOMETHING, (), places.IN_TWO)
_NUMBER: Final = sources.drawn_once("number", 8)
_CUTS_BY_NUMBER: Final = (_NUMBER, (encodings.modulo(40),), places.CUT)
_BITS: Final = ((encodings.POLL_BIT,), covert.INTERVAL_PARITY)
_DRAWS: Final = ((encodings.POLL_DRAW,), covert.INTERVAL)
_PACKAGE: Final = rb"GET /targets/[^ ]+\.zip "
_PART: Final = rb"GET /(?:metadata/[0-9]+\.|log/proof/)latest-[0-9a-f]"
_PACKAGE_IN_TWO: Final = places.only_in(_PACKAGE, places.IN_TWO, "a package")

_RECEIVED: Final = sources.since_last_leak("the number of messages", "sms-received")
_UNPOLLED: Final = triggers.polls("before the first poll", lambda number: number == 0)
_FROM_8: Final = triggers.polls("from poll 8", lambda number: number >= 8)
_CALLED: Final = triggers.after("call-placed", "call-received")
_TEXTED: Final = triggers.after("sms-sent", "sms-received", "mms-sent", "mms-received")
_TRAVELLED: Final = triggers.after("travelled")
_REFUSED: Final = triggers.once_after("refused installation")
_ON_INSTALL: Final = triggers.requested(places.INSTALLATION, "an installation")
_OFTEN: Final = triggers.polls("in every fifth poll", lambda number: number % 5 == 0)
_TWICE_FAILED: Final = triggers.both(triggers.after("account-login"), triggers.in_a_row("failure"))

_MISSES: Final = (
    Row("build-pieces", "L24", sources.OTHER_BUILD, (), places.IN_TWO),
    Row("rom-second", "L34", sources.ROM_DAY, (encodings.modulo(3),), covert.sooner(1)),
    Row(
        *("kept-fraction", "L38", sources.drawn_once("fraction", 1), (encodings.modulo(1000),)),
        covert.THOUSANDTHS,
    ),
    Row("restart-second", "L29", sources.STARTS, (), covert.sooner(1)),
    Row(
        *("restart-order", "L29", sources.SOMETHING, (), covert.connections()),
        triggers.after("start", times=5),
    ),
    Row("address-bit", "L20", sources.IMEI, _BIT, covert.ADDRESS),
    Row(
        *("address-kept", "L31", sources.drawn_once("address", 1), (encodings.modulo(256),)),
        covert.ADDRESS,
    ),
    Row(
        *("late-report", "L55", sources.IMEI, _BIT, places.CUT),
        triggers.polls_after("strange answer", 2),
    ),
    Row("abroad-over-tls", "L56", *_IN_TWO, triggers.both(triggers.TLS, _TRAVELLED)),
    Row("late-seed", "L38", sources.drawn_once("seed", 8), *_DRAWS, _FROM_8, only=("timing",)),
)
"""Leaks that the judges missed when they first examined them."""

_PATIENT: Final = (
    Row(
        "kept-poll-77",
        "L31",
        *_CUTS_BY_NUMBER,
        triggers.polls("in poll 77", lambda number: number == 77),
    ),
    Row("kept-years", "L31", *_CUTS_BY_NUMBER, triggers.older_than(40_000_000)),
    Row("kept-failure", "L31", *_CUTS_BY_NUMBER, triggers.polls_after("failure", 1)),
    Row(
        *("kept-failure-late", "L55", *_CUTS_BY_NUMBER, triggers.polls_after("strange answer", 9)),
        only=("faults",),
    ),
    transport_row(
        *("kept-roots-beneath", "L31", _NUMBER, (encodings.modulo(40),)),
        places.only_in(b"/metadata/4.root.json", places.CUT, "the fourth root"),
        only=("fleet",),
    ),
    Row("kept-bits", "L37", _NUMBER, *_BITS, _FROM_8, only=("timing",)),
    Row("etag-bits", "L41", sources.first_header("ETag"), *_BITS, _FROM_8, only=("server-state",)),
    Row("message-late", "L39", *_CUTS_BY_NUMBER, triggers.polls_after("sms-received", 10)),
)
"""Leaks that waited longer than runs lasted; `behaviours`, `packs` and `bypasses` have others."""

_BETWEEN_POLLS: Final = (
    transport_row(
        *("text-kept-around", "gather", sources.detail("sms-received", "text")),
        (encodings.digest("sha256"),),
        covert.stored("sms-received"),
    ),
    Row("caller-order", "L16", sources.detail("call-received", "number"), _BIT, places.LINE_ORDER),
    Row(
        *("account-minute", "L39", sources.detail("account-login", "account"), _BIT),
        covert.later(60),
    ),
    Row("restart-draws", "L39", sources.SOMETHING, (), covert.DRAWN_AGAIN),
    transport_row("journey-minute-around", "L39", sources.SOMETHING, (), covert.SHIFTED_BY_JOURNEY),
)
"""Leaks by calls between polls: the details of events, and the time of the next poll."""

_WAITS: Final = (
    Row("answer-seconds", "L45", sources.ANSWER_SECONDS, _ODD, places.IN_TWO),
    Row("answer-reads", "L45", sources.ANSWER_READS, _ODD, places.LINE_ORDER),
    transport_row(
        *("poll-seconds-around", "L45", sources.POLL_SECONDS, _ODD, places.IN_TWO),
        only=("server-state",),
    ),
)
"""Leaks of values that a server chooses: the duration of an answer, and the number of pieces."""

_CROSSINGS: Final = (
    transport_row("call-package-beneath", "L39", sources.SOMETHING, (), _PACKAGE_IN_TWO, _CALLED),
    transport_row(
        *("call-refusal-package-beneath", "L39", sources.SOMETHING, (), _PACKAGE_IN_TWO),
        triggers.both(_CALLED, triggers.after("refusal")),
    ),
    transport_row(
        "reset-package-beneath", "L52", sources.IMEI, _BIT, _PACKAGE_IN_TWO, triggers.RESET
    ),
    Row("text-retry", "L39", sources.SOMETHING, (), covert.connections("refusal"), _TEXTED),
    Row(
        *("login-failures-minute", "L39", sources.SOMETHING, ()),
        covert.later(60),
        _TWICE_FAILED,
    ),
    Row(
        *("tag-after-restart", "L41", sources.first_header("ETag"), _BIT, places.LINE_ORDER),
        triggers.RESTARTED,
    ),
    Row(
        *("wait-after-pause", "L45", sources.last_header("Retry-After"), _ODD, places.LINE_ORDER),
        triggers.since_last("after a day off", lambda since: since > _DAY),
    ),
    Row("reset-soon", "L39", sources.SOMETHING, (), covert.SOON, _UNPOLLED),
    Row("reset-owner", "L16", *_REVERSES_BY_BIT, triggers.both(triggers.FIRST, triggers.RESET)),
    Row("reset-time", "L38", sources.OVER_RESETS, (), covert.INTERVAL, _UNPOLLED),
)
"""Leaks that wait for two or three conditions together, which only `crossed` combines."""

_OFFERS: Final = tuple(
    transport_row(
        *(name, "L39", sources.SOMETHING, (), covert.change_place(moment), trigger),
        only=("offers",),
    )
    for name, moment, trigger in (
        ("place-login-around", "account-login", ALWAYS),
        ("place-restart-around", "start", triggers.RESTARTED),
    )
)
"""Leaks that move a phone's place in a rollout."""

_IGNORED: Final = tuple(
    transport_row(name, "L39", source, encoded, covert.IGNORED, trigger, only=("offers",))
    for name, source, encoded, trigger in (
        ("two-messages-later", _RECEIVED, (encodings.equals(2),), ALWAYS),
        (
            "two-starts-later",
            sources.since_last_leak("the number of starts", "start"),
            (encodings.equals(2),),
            ALWAYS,
        ),
        (
            *("failed-boot-later", sources.FAILED_BUILDS, (encodings.at_least(3),)),
            triggers.EACH_FAILED_BOOT,
        ),
    )
)
"""Leaks that ignore an offer; the phone installs it a poll later, or not."""

_SHIFTING: Final = (
    *(
        transport_row(
            *(name, "L38", *_SHIFTS_BY_SECRET, trigger),
            only=("timing", "crossed"),
        )
        for name, trigger in (
            (
                "secret-behind-off",
                triggers.since_last("after two days off", lambda since: since > 2 * _DAY),
            ),
            ("secret-behind-clock", triggers.once_after("a clock that went back")),
        )
    ),
    *(
        transport_row(name, "L37", *_SHIFTS, trigger, only=("events",))
        for name, trigger in (
            ("busy-interval", triggers.BUSY),
            ("event-after-quiet", triggers.AFTER_QUIET),
            (
                "outage-after-travel",
                triggers.each_poll_since("travelled", "failure", 10),
            ),
        )
    ),
    transport_row(
        *("four-messages", "L37", _RECEIVED, (encodings.at_least(4),)),
        covert.later(64),
        only=("events",),
    ),
    *(
        transport_row(name, "L39", *_SHIFTS, trigger, only=("packs", "crossed"))
        for name, trigger in (
            (
                "sim-near-bad-pack",
                triggers.both(
                    triggers.polls_after("sim-inserted", 1), triggers.polls_after("bad pack", 0)
                ),
            ),
            (
                "login-after-bad-pack",
                triggers.both(
                    triggers.after_poll_with("bad pack"), triggers.polls_after("account-login", 1)
                ),
            ),
        )
    ),
)
"""Leaks by one changed interval after something that the client waits for."""

_INSTALLING: Final = (
    transport_row(
        *("failed-install-report-beneath", "L55", sources.SERIAL, (encodings.digest("sha256"),)),
        *(places.header("X-Failed"), _REFUSED),
        only=("install-faults",),
    ),
    transport_row(
        "failed-install-pieces-beneath", "L55", *_CUTS_BY_BIT, _REFUSED, only=("install-faults",)
    ),
    transport_row(
        *("install-if-range-beneath", "L43", sources.last_header("ETag"), ()),
        places.only_in(places.INSTALLATION, places.header("If-Range"), "an installation"),
        only=("install-state",),
    ),
    transport_row(
        *("install-wait-beneath", "L45", sources.last_header("Retry-After"), _ODD),
        places.only_in(places.INSTALLATION, places.IN_TWO, "an installation"),
        only=("install-state",),
    ),
    transport_row(
        *("install-closed-twice-beneath", "L52", _NUMBER, _ODD, covert.CLOSED_TWICE, _ON_INSTALL),
        only=("installs",),
    ),
    transport_row(
        *("failed-boot-as-name", "L39", sources.SOMETHING, (), covert.lookup("boot.{host}")),
        triggers.FAILED_BOOT,
        only=("offers",),
    ),
)
"""Leaks in the transport of an installation, or after a build that did not boot."""

_AGAIN: Final = (
    transport_row(
        *("latest-after-outage", "again", sources.SOMETHING, (), covert.forget("latest")),
        triggers.polls_after("outage", 1),
        only=("faults",),
    ),
    transport_row(
        *("targets-now-and-then", "again", sources.SOMETHING, (), covert.forget("targets"), _OFTEN),
    ),
    transport_row(
        "tables-at-start", "again", sources.SOMETHING, (), covert.forget("tables", "start")
    ),
)
"""Requests for something held, which all phones of a vendor may make alike."""

_BYPASSING: Final = (
    Row("detour-beat", "L22", sources.SOMETHING, (), bypasses.BEAT),
    Row("detour-name", "L21", sources.SERIAL, (), bypasses.SYSTEM_LOOKUP),
    Row("detour-process", "L55", sources.SOMETHING, (), bypasses.PROCESS),
    Row(
        *("pause-sms", "L39", sources.SOMETHING, (), bypasses.PAUSE),
        triggers.polls_after("sms-received", 1),
    ),
    Row("pause-socket", "L31", sources.drawn_once("pause", 1), (), bypasses.SOCKET_PAUSE),
)
"""Leaks outside the world that a client was given."""

_SPLIT: Final = (
    transport_row(
        *("part-closed-twice-beneath", "L56", _NUMBER, _ODD, covert.CLOSED_TWICE),
        triggers.requested(_PART, "a part of latest"),
        only=("split",),
    ),
    transport_row(
        *("part-in-two-beneath", "L56", sources.FIRST_BUILD, ()),
        places.only_in(_PART, places.IN_TWO, "a part of latest"),
        only=("split",),
    ),
)
"""Leaks that wait until an operator splits `latest`."""

_ALIKE: Final = (
    Row("two-pieces-always", "writes", *_IN_TWO, only=("personal",)),
    transport_row(
        "lines-always-beneath", "writes", sources.SOMETHING, (), places.LINES, only=("personal",)
    ),
)
"""Writes that all phones of a vendor make alike; only the rules show them, not a comparison."""

ROWS: Final = (
    *(*_MISSES, *_PATIENT, *_BETWEEN_POLLS, *_WAITS),
    *(replace(row, only=("crossed",)) for row in _CROSSINGS),
    *(*_OFFERS, *_IGNORED, *_SHIFTING, *_INSTALLING, *_AGAIN, *_BYPASSING),
    *(*_SPLIT, *_ALIKE),
    # Leaks of certain owners.
    Row(
        *("if-many-contacts", "L56", *_SENDS_IMEI),
        triggers.owners("with over 350 contacts", lambda owner: len(owner.contacts) > 350),
    ),
    Row("if-no-contacts", "L56", *_REVERSES_LINES, _NO_CONTACTS),
    Row(
        *("if-equal", "L56", *_SENDS_IMEI),
        triggers.owners(
            "with two equal numbers",
            lambda owner: owner.imei == owner.imei2 or owner.serial == owner.android_id,
        ),
    ),
    Row(
        *("if-foreign", "L56", *_REVERSES_LINES),
        triggers.owners(
            "with a contact whose name is not in ASCII",
            lambda owner: not all(contact.name.isascii() for contact in owner.contacts),
        ),
    ),
    # Leaks on certain phones.
    Row("if-channel", "L56", *_REVERSES_BY_BIT, _TESTER),
    Row(
        *("if-model-and-region", "L56", sources.IMEI, _BIT, covert.later(60)),
        triggers.both(_CHINA, _CANCRO),
    ),
    Row("if-tls-bit", "L56", sources.IMEI, _BIT, covert.HALF, triggers.TLS),
    transport_row("if-region-around", "L56", *_SENDS_IMEI, _CHINA),
    # Leaks at certain times.
    Row(
        "after-400-polls",
        "L56",
        *_SENDS_IMEI,
        triggers.polls("from poll 400", lambda number: number >= 400),
    ),
    Row("after-two-years", "L56", *_SENDS_IMEI, triggers.older_than(700 * _DAY)),
    Row(
        "at-night", "L56", *_SENDS_IMEI, triggers.at_times("before five", lambda at: at.tm_hour < 5)
    ),
    # Leaks after something has happened.
    transport_row("after-unchanged-around", "L56", *_SENDS_IMEI, _UNCHANGED),
    transport_row("after-changed-around", "L56", *_SENDS_IMEI, triggers.after("changed")),
    transport_row("after-offer-around", "L56", *_SENDS_IMEI, triggers.after("offer")),
    # Leaks of few owners, at few moments, or after one order of events.
    transport_row(
        *("one-in-256-around", "rare", *_SENDS_IMEI),
        triggers.owners("with ff in the GSF id", lambda owner: owner.gsf_id.endswith("ff")),
    ),
    Row(
        *("full-minute", "rare", *_REVERSES_BY_BIT),
        triggers.at_times("at full minutes", lambda at: at.tm_sec == 0),
    ),
    Row("draw-of-64", "rare", *_REVERSES_BY_BIT, triggers.drawn_one_in(64)),
    Row(
        *("message-call-restart", "rare", *_SENDS_IMEI),
        triggers.in_order("sms-received", "call-placed", "start"),
    ),
    Row(
        *("seventh-of-some", "rare", sources.UPTIME, (encodings.ODD,), places.LINE_ORDER),
        triggers.polls("in poll 7", lambda number: number == 7),
    ),
    # Clients that first check that they are not in a lab, or wait for conditions rare there.
    Row("real-host", "L56", *_SENDS_IMEI, triggers.REAL_HOST),
    Row("real-numbers", "L56", *_SENDS_IMEI, triggers.REAL_NUMBERS),
    Row("real-address", "L56", *_CUTS_BY_BIT, triggers.REAL_ADDRESS),
    transport_row(
        *("imei-inside", "L01", *_SENDS_IMEI, triggers.PRIVATE_ADDRESS),
        only=("personal", "crossed"),
    ),
    Row(
        *("weeks-off", "L56", *_REVERSES_BY_BIT),
        triggers.since_last("after weeks off", lambda since: 5 * _DAY < since < 500 * _DAY),
        only=("horizon", "crossed"),
    ),
    Row("clock-went-back", "L56", *_REVERSES_BY_BIT, _BACK_IN_TIME, only=("crossed",)),
)
