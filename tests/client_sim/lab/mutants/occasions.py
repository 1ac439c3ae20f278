"""For each trigger, by its words, a situation in which it leaks; in a plain one it waits."""

from dataclasses import replace

from tests.client_sim.device.repository_simulator import DAY, START
from tests.client_sim.lab.mutants.stage import NOON, OWNERS, at, given, merge, owned, public

CONTACT = OWNERS[0].contacts[0]
MESSAGE = OWNERS[0].messages[0]
PLAIN = merge(
    owned(
        contacts=(replace(CONTACT, name="Ana"),),
        messages=(MESSAGE,) * 9,
        battery_percent=60,
        android_id="5",
        imsi="0010",
        gsf_id="ee",
        phone_number="+9991",
    ),
    given(polls=2),
)
"""A second poll before which nothing has happened, of an owner who is ordinary in everything."""

TEXTS = "sms-sent or sms-received or mms-sent or mms-received"
CALLS = "call-placed or call-received"


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


WAITS = {
    "without TLS": public(tls=True),
    "to servers with a name": public(host="192.0.2.1"),
    "from poll 400": polls(399),
    "when it is older than 700 days": given(born=NOON - 700 * DAY),
    "10 polls after sms-received": behind("sms-received", 11),
    "after sms-received, call-placed, start in this order": {
        "state": {"place of call-placed": 2, "place of sms-received": 3, "place of start": 4}
    },
}
"""Where a trigger waits that the plain situation would set off, or that nearly holds."""

WHEN = {
    # Owners.
    "of owners whose battery is low": owned(battery_percent=20),
    "of owners with over 350 contacts": owned(contacts=(CONTACT,) * 351),
    "of owners without contacts": owned(contacts=()),
    "of owners with two equal numbers": owned(serial="5", android_id="5"),
    "of owners with a contact whose name is not in ASCII": owned(
        contacts=(replace(CONTACT, name="玉兰"),)
    ),
    "of owners with a low battery": owned(battery_percent=10),
    "of owners with ff in the GSF id": owned(gsf_id="00ff"),
    # A text whose crc32 has the rest 42 by 500.
    "of owners of whom one in 500 is chosen by IMSI": owned(imsi="383"),
    "of owners whose numbers are not test numbers": owned(
        phone_number="+447700900123", imsi="2640110", imei="981000000000000"
    ),
    # Phones.
    "in one region": public(region="cn"),
    "in one region, of one model": public(region="cn", codename="cancro"),
    "to testers": public(channel="beta"),
    "over TLS": public(tls=True),
    "without TLS": {},
    "to servers with a name": {},
    "to hosts with ordinary names": public(host="ota.com"),
    "at ordinary addresses": given(server_address="8.8.4.4"),
    # Times.
    "before the first poll": polls(0),
    "in poll 4": polls(4),
    "in poll 7": polls(7),
    "in poll 77": polls(77),
    "from poll 5": polls(5),
    "from poll 8": polls(8),
    "from poll 400": polls(400),
    "when it is older than 700 days": given(born=NOON - 700 * DAY - 1),
    "when it is older than 462 days": given(born=NOON - 40_000_001),
    "in the first poll of 7 days": since(7 * DAY),
    "in the first poll of 1 days": since(DAY),
    "after three days off": since(3 * DAY + 1),
    "after a day off": since(DAY + 1),
    "after weeks off": since(6 * DAY),
    "after a clock went back": since(-1),
    "before five": at(5, 4),
    "on the 13th": at(13, 12),
    "at full minutes": at(5, 12, 0),
    "in one drawn poll of 64": {"seed": b"60"},
    # What has happened.
    "after start, 2 times": happened("start", 2),
    "after start, 5 times": happened("start", 5),
    "after strange answer": happened("strange answer"),
    "after failure": happened("failure"),
    "after account-login": happened("account-login"),
    "after unchanged": happened("unchanged"),
    "after changed": happened("changed"),
    "after offer": happened("offer"),
    f"after {TEXTS}": happened("mms-sent"),
    f"after {TEXTS}, 3 times": given(**{"sms-sent": 2, "mms-received": 1}),
    f"after {CALLS}": happened("call-received"),
    f"after {CALLS}, after refusal": merge(happened("call-placed"), happened("refusal")),
    "after account-login, after two polls with failure": merge(
        happened("account-login"), behind("failure", 0, between=1)
    ),
    "0 polls after failure": behind("failure", 0),
    "1 polls after failure": behind("failure", 1),
    "2 polls after strange answer": behind("strange answer", 2),
    "9 polls after strange answer": behind("strange answer", 9),
    "10 polls after sms-received": behind("sms-received", 10),
    "over TLS, from poll 6": merge(public(tls=True), polls(6)),
    "over TLS, after travelled": merge(public(tls=True), happened("travelled")),
    "after sms-received, call-placed, start in this order": {
        "state": {"place of sms-received": 2, "place of call-placed": 3, "place of start": 4}
    },
    # A phone that was reset is known by having been there before.
    "after a reset": given(born=START + 1),
    "in the first poll, after a reset": given(born=START + 1, polls=1),
    # What servers have said.
    **{
        f"after a {header}": happened(f"heard {header}", b"<x>")
        for header in (*("Link", "Location", "WWW-Authenticate", "Strict-Transport-Security"),)
    },
    "to some servers": happened("heard ETag", b"two"),
}
