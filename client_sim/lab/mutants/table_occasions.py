"""Leaks that wait for an owner, a phone, a time, an event, or hardly ever come (L56, `rare`)."""

from typing import Final

from client_sim.lab.mutants import encodings, outside, places, sources, triggers
from client_sim.lab.mutants.rows import Row, beneath

_DAY: Final = 86_400
_BIT: Final = (encodings.PARITY,)
_SAYS: Final = (sources.IMEI, (), places.header("X-Device"))
_TURNS: Final = (sources.SOMETHING, (), places.LINE_ORDER)
_TURNS_BY_BIT: Final = (sources.IMEI, _BIT, places.LINE_ORDER)
_DELAYS_BY_BIT: Final = (sources.IMEI, _BIT, outside.later(60))
_CUTS_BY_BIT: Final = (sources.IMEI, _BIT, places.IN_TWO)

_CHINA: Final = triggers.phones("in one region", lambda public: public.region == "cn")
_CANCRO: Final = triggers.phones("of one model", lambda public: public.codename == "cancro")
_TESTER: Final = triggers.phones("to testers", lambda public: public.channel == "beta")
_NO_CONTACTS: Final = triggers.owners("without contacts", lambda owner: not owner.contacts)
_UNCHANGED: Final = triggers.after("unchanged")
_BACK_IN_TIME: Final = triggers.since_last("after a clock went back", lambda since: since < 0)

ROWS: Final = (
    # For certain owners.
    Row(
        *("if-many-contacts", "L56", *_SAYS),
        triggers.owners("with over 350 contacts", lambda owner: len(owner.contacts) > 350),
    ),
    Row("if-no-contacts", "L56", *_TURNS, _NO_CONTACTS),
    Row(
        *("if-equal", "L56", *_SAYS),
        triggers.owners(
            "of whom two numbers are equal",
            lambda owner: owner.imei == owner.imei2 or owner.serial == owner.android_id,
        ),
    ),
    Row(
        *("if-foreign", "L56", *_TURNS),
        triggers.owners(
            "with a contact whose name is not in ASCII",
            lambda owner: not all(contact.name.isascii() for contact in owner.contacts),
        ),
    ),
    Row(
        *("if-battery-low", "L56", *_SAYS),
        triggers.owners("with a low battery", lambda owner: owner.battery_percent <= 10),
    ),
    beneath("if-no-contacts-around", "L56", *_SAYS, _NO_CONTACTS),
    # On certain phones.
    Row("if-channel", "L56", *_TURNS_BY_BIT, _TESTER),
    Row("if-model-and-region", "L56", *_DELAYS_BY_BIT, triggers.both(_CHINA, _CANCRO)),
    Row("if-tls-bit", "L56", *_DELAYS_BY_BIT, triggers.TLS),
    beneath("if-tls-around", "L56", *_SAYS, triggers.TLS),
    beneath("if-region-around", "L56", *_SAYS, _CHINA),
    # At certain times.
    Row("at-poll-4", "L56", *_SAYS, triggers.polls("in poll 4", lambda number: number == 4)),
    Row("after-4-polls", "L56", *_SAYS, triggers.polls("from poll 5", lambda number: number > 4)),
    Row(
        "after-400-polls",
        "L56",
        *_SAYS,
        triggers.polls("from poll 400", lambda number: number >= 400),
    ),
    Row("after-two-years", "L56", *_SAYS, triggers.older_than(700 * _DAY)),
    Row(
        *("after-days-off", "L56", *_SAYS),
        triggers.since_last("after three days off", lambda since: since > 3 * _DAY),
    ),
    Row("at-night", "L56", *_SAYS, triggers.at_times("before five", lambda at: at.tm_hour < 5)),
    Row(
        *("on-date", "L56", *_TURNS_BY_BIT),
        triggers.at_times("on the 13th", lambda at: at.tm_mday == 13),
    ),
    # Once something has happened.
    Row("after-restart", "L56", *_SAYS, triggers.RESTARTED),
    Row(
        *("after-3-messages", "L56", *_TURNS),
        triggers.after("sms-sent", "sms-received", "mms-sent", "mms-received", times=3),
    ),
    Row(
        *("after-login", "L56", sources.detail("account-login", "account"), (encodings.HEX,)),
        places.header("X-Account"),
        triggers.after("account-login"),
    ),
    Row("after-failure", "L56", *_SAYS, triggers.FAILED),
    beneath("after-failure-around", "L56", *_SAYS, triggers.FAILED),
    beneath("after-unchanged-around", "L56", *_SAYS, _UNCHANGED),
    beneath("after-changed-around", "L56", *_SAYS, triggers.after("changed")),
    beneath("after-offer-around", "L56", *_SAYS, triggers.after("offer")),
    # For few owners, in few moments, in one order of events.
    Row("one-in-500", "rare", *_TURNS, triggers.one_in(500, "IMSI", lambda o: o.imsi)),
    beneath(
        *("one-in-256-around", "rare", *_SAYS),
        triggers.owners("with ff in the GSF id", lambda owner: owner.gsf_id.endswith("ff")),
    ),
    Row(
        *("full-minute", "rare", *_TURNS_BY_BIT),
        triggers.at_times("at full minutes", lambda at: at.tm_sec == 0),
    ),
    Row("draw-of-64", "rare", *_TURNS_BY_BIT, triggers.drawn_one_in(64)),
    Row(
        *("message-call-restart", "rare", *_SAYS),
        triggers.in_order("sms-received", "call-placed", "start"),
    ),
    Row(
        *("seventh-of-some", "rare", sources.UPTIME, (encodings.ODD,), places.LINE_ORDER),
        triggers.polls("in poll 7", lambda number: number == 7),
    ),
    # First checking that they are not in a lab, or waiting for what is rare in one.
    Row("real-host", "L56", *_SAYS, triggers.REAL_HOST),
    Row("real-numbers", "L56", *_SAYS, triggers.REAL_NUMBERS),
    Row("real-address", "L56", *_CUTS_BY_BIT, triggers.REAL_ADDRESS),
    Row(
        *("weeks-off", "L56", *_TURNS_BY_BIT),
        triggers.since_last("after weeks off", lambda since: 5 * _DAY < since < 500 * _DAY),
        only=("horizon", "crossed"),
    ),
    Row("clock-went-back", "L56", *_TURNS_BY_BIT, _BACK_IN_TIME, only=("crossed",)),
)
