"""Situations in which each trigger holds, or does not hold, by the trigger's description."""

from dataclasses import replace

from tests.client_sim.device.repository_simulator import DAY, START
from tests.client_sim.lab.mutants.situations import (
    NOON,
    OWNERS,
    at_time,
    merge,
    owner_with,
    public_with,
    state_with,
)

CONTACT = OWNERS[0].contacts[0]
MESSAGE = OWNERS[0].messages[0]
ORDINARY = merge(
    owner_with(
        contacts=(replace(CONTACT, name="Ana"),),
        messages=(MESSAGE,) * 9,
        battery_percent=60,
        android_id="5",
        imsi="0010",
        gsf_id="ee",
        phone_number="+9991",
    ),
    state_with(polls=2),
)
"""A second poll before which nothing happened, of an owner with ordinary data."""

TEXTS = "sms-sent or sms-received or mms-sent or mms-received"
CALLS = "call-placed or call-received"


def polls(number):
    """Describe a poll by its number."""
    return state_with(polls=number)


def since(seconds):
    """Describe a poll by the seconds since the previous one."""
    return state_with(since=seconds, polls=2)


def happened(name, number=1):
    """Describe a phone on which something happened."""
    return {"state": {name: number}}


def polls_after(name, number, between=7):
    """Describe a poll by the number of polls since something happened."""
    state = {"polls": 20, f"poll of {name}": 20 - number, f"polls between {name}": between}
    return {"state": state}


NOT_HOLDING = {
    "without TLS": public_with(tls=True),
    "to servers with a name": public_with(host="192.0.2.1"),
    "from poll 400": polls(399),
    "when it is older than 700 days": state_with(born=NOON - 700 * DAY),
    "10 polls after sms-received": polls_after("sms-received", 11),
    "after sms-received, call-placed, start in this order": {
        "state": {"place of call-placed": 2, "place of sms-received": 3, "place of start": 4}
    },
}
"""For triggers that hold in the ordinary situation, and for some that nearly hold."""

HOLDING = {
    # Owners.
    "of owners whose battery is low": owner_with(battery_percent=20),
    "of owners with over 350 contacts": owner_with(contacts=(CONTACT,) * 351),
    "of owners without contacts": owner_with(contacts=()),
    "of owners with two equal numbers": owner_with(serial="5", android_id="5"),
    "of owners with a contact whose name is not in ASCII": owner_with(
        contacts=(replace(CONTACT, name="玉兰"),)
    ),
    "of owners with a low battery": owner_with(battery_percent=10),
    "of owners with ff in the GSF id": owner_with(gsf_id="00ff"),
    # The crc32 of this text is 42 modulo 500.
    "of owners of whom one in 500 is chosen by IMSI": owner_with(imsi="383"),
    "of owners whose numbers are not test numbers": owner_with(
        phone_number="+447700900123", imsi="2640110", imei="981000000000000"
    ),
    # Phones.
    "in one region": public_with(region="cn"),
    "in one region, of one model": public_with(region="cn", codename="cancro"),
    "to testers": public_with(channel="beta"),
    "over TLS": public_with(tls=True),
    "without TLS": {},
    "to servers with a name": {},
    "to hosts with ordinary names": public_with(host="ota.com"),
    "at ordinary addresses": state_with(server_address="8.8.4.4"),
    # Times.
    "before the first poll": polls(0),
    "in poll 4": polls(4),
    "in poll 7": polls(7),
    "in poll 77": polls(77),
    "from poll 5": polls(5),
    "from poll 8": polls(8),
    "from poll 400": polls(400),
    "when it is older than 700 days": state_with(born=NOON - 700 * DAY - 1),
    "when it is older than 462 days": state_with(born=NOON - 40_000_001),
    "in the first poll of 7 days": since(7 * DAY),
    "in the first poll of 1 days": since(DAY),
    "after three days off": since(3 * DAY + 1),
    "after a day off": since(DAY + 1),
    "after weeks off": since(6 * DAY),
    "after a clock went back": since(-1),
    "before five": at_time(5, 4),
    "on the 13th": at_time(13, 12),
    "at full minutes": at_time(5, 12, 0),
    "in one drawn poll of 64": {"seed": b"60"},
    # Events and outcomes.
    "after start, 2 times": happened("start", 2),
    "after start, 5 times": happened("start", 5),
    "after strange answer": happened("strange answer"),
    "after failure": happened("failure"),
    "after account-login": happened("account-login"),
    "after unchanged": happened("unchanged"),
    "after changed": happened("changed"),
    "after offer": happened("offer"),
    f"after {TEXTS}": happened("mms-sent"),
    f"after {TEXTS}, 3 times": state_with(**{"sms-sent": 2, "mms-received": 1}),
    f"after {CALLS}": happened("call-received"),
    f"after {CALLS}, after refusal": merge(happened("call-placed"), happened("refusal")),
    "after account-login, after two polls with failure": merge(
        happened("account-login"), polls_after("failure", 0, between=1)
    ),
    "0 polls after failure": polls_after("failure", 0),
    "1 polls after failure": polls_after("failure", 1),
    "2 polls after strange answer": polls_after("strange answer", 2),
    "9 polls after strange answer": polls_after("strange answer", 9),
    "10 polls after sms-received": polls_after("sms-received", 10),
    "over TLS, from poll 6": merge(public_with(tls=True), polls(6)),
    "over TLS, after travelled": merge(public_with(tls=True), happened("travelled")),
    "after sms-received, call-placed, start in this order": {
        "state": {"place of sms-received": 2, "place of call-placed": 3, "place of start": 4}
    },
    # Its first poll is later than the one already recorded for the same owner.
    "after a reset": state_with(born=START + 1),
    "in the first poll, after a reset": state_with(born=START + 1, polls=1),
    # Headers of servers.
    **{
        f"after a {header}": happened(f"heard {header}", b"<x>")
        for header in (*("Link", "Location", "WWW-Authenticate", "Strict-Transport-Security"),)
    },
    "to some servers": happened("heard ETag", b"two"),
}
