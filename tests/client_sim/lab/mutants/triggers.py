"""Situations in which each trigger holds, or does not hold, by the trigger's description."""

from dataclasses import replace

from tests.client_sim.device.repository_simulator import DAY, START
from tests.client_sim.lab.mutants.situations import (
    MACHINE,
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


def polls_after(name, number, row=0):
    """Describe a poll by the number of polls since something happened, in `row` polls before."""
    return {"state": {"polls": 20, f"poll of {name}": 20 - number, f"row of {name}": row}}


NOT_HOLDING = {
    "without TLS": public_with(tls=True),
    "to servers with a name": public_with(host="192.0.2.1"),
    "from poll 400": polls(399),
    "when it is older than 700 days": state_with(born=NOON - 700 * DAY),
    "in poll 10 after sms-received": polls_after("sms-received", 11),
    "after sms-received, call-placed, start in this order": {
        "state": {"place of call-placed": 2, "place of sms-received": 3, "place of start": 4}
    },
    "after 25 events between two polls": happened("events between polls", 24),
    "in the poll after one with bad pack, in poll 1 after account-login": merge(
        polls_after("bad pack", 0), polls_after("account-login", 1)
    ),
    "after 10 polls with failure since travelled": merge(
        polls_after("travelled", 3), polls_after("failure", 0, 12)
    ),
    "once after refused installation": state_with(
        refused_installation=1, noticed_refused_installation=1
    ),
    "after an event that follows twenty polls without events": merge(
        happened("polls before event", 19), polls_after("event", 1)
    ),
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
    "of owners with ff in the GSF id": owner_with(gsf_id="00ff"),
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
    "at private addresses": state_with(server_address="192.168.0.7"),
    # Times.
    "before the first poll": polls(0),
    "in poll 7": polls(7),
    "in poll 77": polls(77),
    "in every fifth poll": polls(5),
    "from poll 8": polls(8),
    "from poll 400": polls(400),
    "when it is older than 700 days": state_with(born=NOON - 700 * DAY - 1),
    "when it is older than 462 days": state_with(born=NOON - 40_000_001),
    "in the first poll of each day": since(DAY),
    "after a day off": since(DAY + 1),
    "after two days off": since(2 * DAY + 1),
    "after weeks off": since(6 * DAY),
    "after a clock went back": since(-1),
    "before five": at_time(5, 4),
    "at full minutes": at_time(5, 12, 0),
    "in one drawn poll of 64": {"seed": b"60"},
    # Events and outcomes.
    "after start, 2 times": happened("start", 2),
    "after start, 5 times": happened("start", 5),
    "after strange answer": happened("strange answer"),
    "after unchanged": happened("unchanged"),
    "after changed": happened("changed"),
    "after offer": happened("offer"),
    f"after {TEXTS}": happened("mms-sent"),
    f"after {CALLS}": happened("call-received"),
    f"after {CALLS}, after refusal": merge(happened("call-placed"), happened("refusal")),
    "after account-login, after 2 polls with failure": merge(
        happened("account-login"), polls_after("failure", 0, 1)
    ),
    "after 10 polls with failure since travelled": merge(
        polls_after("travelled", 10), polls_after("failure", 0, 9)
    ),
    "after 25 events between two polls": happened("events between polls", 25),
    "after an event that follows twenty polls without events": merge(
        happened("polls before event", 20), polls_after("event", 1)
    ),
    "in poll 1 after sim-inserted, in the poll of bad pack": merge(
        polls_after("sim-inserted", 1), polls_after("bad pack", 0)
    ),
    "in the poll after one with bad pack, in poll 1 after account-login": merge(
        polls_after("bad pack", 0, 1), polls_after("account-login", 1)
    ),
    # Installations.
    **{
        f"once after {which} build that did not boot": state_with(failed="1\n2\n3")
        for which in ("the first", "each")
    },
    "after a request for an installation": {
        "state": {"requested": b"GET /targets/armani/id/stable/6a.zip HTTP/1.1"}
    },
    "after a request for a part of latest": {
        "state": {"requested": b"GET /metadata/7.latest-0a.json HTTP/1.1"}
    },
    "once after refused installation": happened("refused installation"),
    "once after failed installation": happened("failed installation"),
    "after installation, in the poll of halt": merge(
        happened("installation"), polls_after("halt", 0)
    ),
    # Machines.
    "in one of three languages": {"machine": replace(MACHINE, environment={"LANG": "fr_FR"})},
    "on a system that was started less than a day ago": {"machine": replace(MACHINE, uptime=9.0)},
    "on a nearly full disk": {"machine": replace(MACHINE, free=100)},
    "once after a clock that went back": happened("a clock that went back"),
    "when the host name has changed": happened("looked", 7),
    "when the time zone has changed": happened("looked", 7),
    "when there is less free space": happened("looked", 10**15),
    "in the poll of failure": polls_after("failure", 0),
    "in poll 1 after outage": polls_after("outage", 1),
    "in poll 1 after failure": polls_after("failure", 1),
    "in poll 1 after sms-received": polls_after("sms-received", 1),
    "in poll 2 after strange answer": polls_after("strange answer", 2),
    "in poll 9 after strange answer": polls_after("strange answer", 9),
    "in poll 10 after sms-received": polls_after("sms-received", 10),
    "over TLS, after travelled": merge(public_with(tls=True), happened("travelled")),
    "after sms-received, call-placed, start in this order": {
        "state": {"place of sms-received": 2, "place of call-placed": 3, "place of start": 4}
    },
    # Its first poll is later than the one already recorded for the same owner.
    "after a reset": state_with(born=START + 1),
    "before the first poll after a reset": state_with(born=0, polls=0),
    "in the first poll, after a reset": state_with(born=START + 1, polls=1),
    # Headers of servers.
    **{
        f"after a header {header}": happened(f"heard {header}", b"<x>")
        for header in ("ETag", "Link", "Strict-Transport-Security")
    },
    "to some servers": happened("heard ETag", b"two"),
}
