"""For each trigger, by its words: a situation in which it waits, and one in which it leaks."""

from dataclasses import replace

from tests.client_sim.device.repository_simulator import DAY
from tests.client_sim.lab.mutants.stage import NOON, OWNERS, at, given, merge, owned, public

CONTACT = OWNERS[0].contacts[0]
MESSAGE = OWNERS[0].messages[0]
ACCOUNT = OWNERS[0].accounts[0]
RICH = owned(
    contacts=(replace(CONTACT, name="Ana"),),
    messages=(MESSAGE,) * 9,
    accounts=(replace(ACCOUNT, name="a@example.org"),),
    apps=("org.example.chess",),
    battery_percent=60,
    android_id="5",
    imsi="0010",
    gsf_id="ee",
    phone_number="+9991",
)
"""An owner who is out of the ordinary in nothing."""

TEXTS = "sms-sent or sms-received or mms-sent or mms-received"
CALLS = "call-placed or call-received"
CRC_42 = {"android_id": "34", "imsi": "383", "number": "34"}
"""Texts whose crc32 has the rest 42 by 100, by 500 and by 200."""


def polls(number):
    """Describe a poll by its number."""
    return given(polls=number)


def since(seconds):
    """Describe a poll by the seconds since the one before."""
    return given(since=seconds, polls=2)


def happened(name, number=1):
    """Describe a phone to which something has happened."""
    return {"state": {name: number}}


def behind(name, number, between=7):
    """Describe a poll that comes so many after something."""
    state = {"polls": 20, f"poll of {name}": 20 - number, f"polls between {name}": between}
    return {"state": state}


WHEN = {
    # Owners.
    "of owners whose battery is low": (RICH, owned(battery_percent=20)),
    "of owners without a number": (RICH, owned(phone_number="")),
    "of owners with few messages": (RICH, owned(messages=(MESSAGE,) * 4)),
    "of owners with over 350 contacts": (
        owned(contacts=(CONTACT,) * 350),
        owned(contacts=(CONTACT,) * 351),
    ),
    "of owners with over 200 messages": (
        owned(messages=(MESSAGE,) * 200),
        owned(messages=(MESSAGE,) * 201),
    ),
    "of owners without contacts": (RICH, owned(contacts=())),
    "of owners without a SIM": (RICH, owned(imsi="")),
    "of owners of whom two numbers are equal": (RICH, owned(serial="5", android_id="5")),
    "of owners with a contact whose name is not in ASCII": (
        RICH,
        owned(contacts=(replace(CONTACT, name="玉兰"),)),
    ),
    "of owners of a bank": (RICH, owned(apps=("org.example.bank",))),
    "of owners with a low battery": (owned(battery_percent=11), owned(battery_percent=10)),
    "of owners without an account": (RICH, owned(accounts=())),
    "of owners with ff in the GSF id": (RICH, owned(gsf_id="00ff")),
    "of owners with a low battery in Taiwan": (
        owned(battery_percent=9, locale="de-DE"),
        owned(battery_percent=9, locale="zh-TW"),
    ),
    "of owners of whom one in 100 is chosen by Android id": (
        RICH,
        owned(android_id=CRC_42["android_id"]),
    ),
    "of owners of whom one in 500 is chosen by IMSI": (RICH, owned(imsi=CRC_42["imsi"])),
    "of owners of whom one in 200 is chosen by first contact": (
        RICH,
        owned(contacts=(replace(CONTACT, number=CRC_42["number"]),)),
    ),
    "of owners whose numbers are no test's": (
        RICH,
        owned(phone_number="+447700900123", imsi="2640110", imei="981000000000000"),
    ),
    "of owners with ordinary mail": (
        RICH,
        owned(accounts=(replace(ACCOUNT, name="a@mail.com"),)),
    ),
    # Phones.
    "in one region": (public(region="id"), public(region="cn")),
    "of one model": (public(codename="armani"), public(codename="cancro")),
    "in one region, of one model": (
        public(region="cn", codename="armani"),
        public(region="cn", codename="cancro"),
    ),
    "to testers": (public(channel="stable"), public(channel="beta")),
    "over TLS": (public(tls=False), public(tls=True)),
    "without TLS": (public(tls=True), public(tls=False)),
    "to servers with a name": (public(host="192.0.2.1"), public(host="server.example")),
    "to hosts with ordinary names": (public(host="server.example"), public(host="ota.com")),
    "where addresses are ordinary": (
        given(server_address="203.0.113.9"),
        given(server_address="8.8.4.4"),
    ),
    # Times.
    "before the first poll": (polls(1), polls(0)),
    "in the first poll": (polls(2), polls(1)),
    "in poll 4": (polls(5), polls(4)),
    "in poll 7": (polls(8), polls(7)),
    "in poll 77": (polls(78), polls(77)),
    "from poll 4": (polls(3), polls(4)),
    "from poll 5": (polls(4), polls(5)),
    "from poll 8": (polls(7), polls(8)),
    "from poll 101": (polls(100), polls(101)),
    "from poll 400": (polls(399), polls(400)),
    "when it is older than 700 days": (
        given(born=NOON - 700 * DAY),
        given(born=NOON - 700 * DAY - 1),
    ),
    "when it is older than 462 days": (
        given(born=NOON - 40_000_000),
        given(born=NOON - 40_000_001),
    ),
    "in the first poll of 7 days": (since(DAY), since(7 * DAY)),
    "in the first poll of 1 days": (since(3600), since(DAY)),
    "after three days off": (since(3 * DAY), since(3 * DAY + 1)),
    "after a day off": (since(DAY), since(DAY + 1)),
    "after days off": (since(2 * DAY), since(3 * DAY)),
    "after weeks off": (since(5 * DAY), since(6 * DAY)),
    "after a clock went back": (since(0), since(-1)),
    "before five": (at(5, 5), at(5, 4)),
    "on the 13th": (at(12, 12), at(13, 12)),
    "on Sundays": (at(5, 12), at(4, 12)),
    "at full minutes": (at(5, 12, 1), at(5, 12, 0)),
    "in one drawn poll of 64": ({"seed": b"seed"}, {"seed": b"120"}),
    # What has happened.
    "after start, 2 times": (happened("start"), happened("start", 2)),
    "after start, 5 times": (happened("start", 4), happened("start", 5)),
    "after travelled": ({}, happened("travelled")),
    "after strange answer": ({}, happened("strange answer")),
    "after failure": ({}, happened("failure")),
    "after account-login": ({}, happened("account-login")),
    "after unchanged": ({}, happened("unchanged")),
    "after changed": ({}, happened("changed")),
    "after offer": ({}, happened("offer")),
    f"after {TEXTS}": (happened("call-placed"), happened("mms-sent")),
    f"after {TEXTS}, 3 times": (
        happened("sms-sent", 2),
        given(**{"sms-sent": 2, "mms-received": 1}),
    ),
    f"after {CALLS}": (happened("sms-sent"), happened("call-received")),
    f"after {CALLS}, after refusal": (
        happened("call-placed"),
        merge(happened("call-placed"), happened("refusal")),
    ),
    "after account-login, after two polls with failure": (
        behind("failure", 0, between=1),
        merge(happened("account-login"), behind("failure", 0, between=1)),
    ),
    "0 polls after failure": (behind("failure", 1), behind("failure", 0)),
    "1 polls after failure": (behind("failure", 2), behind("failure", 1)),
    "2 polls after strange answer": (behind("strange answer", 1), behind("strange answer", 2)),
    "9 polls after strange answer": (behind("strange answer", 8), behind("strange answer", 9)),
    "10 polls after sms-received": (behind("sms-received", 11), behind("sms-received", 10)),
    "over TLS, from poll 6": (polls(6), merge(public(tls=True), polls(6))),
    "over TLS, after travelled": (
        happened("travelled"),
        merge(public(tls=True), happened("travelled")),
    ),
    "after sms-received, call-placed, start in this order": (
        {"state": {"place of call-placed": 2, "place of sms-received": 3, "place of start": 4}},
        {"state": {"place of sms-received": 2, "place of call-placed": 3, "place of start": 4}},
    ),
    "after a reset": (given(born=100), given(born=200)),
    "in the first poll, after a reset": (given(born=100), given(born=200)),
    # What servers have said.
    **{
        f"after a {header}": ({}, happened(f"heard {header}", b"<x>"))
        for header in (
            *("Link", "Location", "Set-Cookie", "WWW-Authenticate"),
            "Strict-Transport-Security",
        )
    },
    "to some servers": (happened("heard ETag", b"one"), happened("heard ETag", b"two")),
}
"""The one that waits comes first: a phone that was reset is known by having been there before."""
