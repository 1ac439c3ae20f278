import dataclasses
import re
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from client_sim.owner_events.events import EVERYDAY, KINDS_2014, Kind, apply_event, describe
from client_sim.persona import canaries, decode_persona, encode_persona, make_persona
from client_sim.tape import Tape
from tests.cases import case

OWNER = make_persona(3)
NOW = 1_800_000_000
GROWS = {
    Kind.WIFI_JOINED: "networks",
    Kind.CONTACT_ADDED: "contacts",
    Kind.SMS_SENT: "messages",
    Kind.SMS_RECEIVED: "messages",
    Kind.MMS_SENT: "messages",
    Kind.MMS_RECEIVED: "messages",
    Kind.CALL_PLACED: "calls",
    Kind.CALL_RECEIVED: "calls",
    Kind.ACCOUNT_LOGIN: "accounts",
    Kind.APP_INSTALLED: "apps",
    Kind.PHOTO_TAKEN: "photos",
}


def changed(before, after):
    """Return the names of the fields that differ."""
    return {
        field.name
        for field in dataclasses.fields(before)
        if getattr(before, field.name) != getattr(after, field.name)
    }


def test_events_that_add_an_item():
    """The item is added in front, no other field changes, and the event has its values."""
    for kind, field in GROWS.items():
        with case(kind, field):
            after, event = apply_event(kind, OWNER, Tape(1), NOW)
            assert changed(OWNER, after) == {field}
            assert getattr(after, field)[1:] == getattr(OWNER, field)
            newest = getattr(after, field)[0]
            for _, value in event.details:
                assert value == newest or value in dataclasses.asdict(newest).values()
            assert event.details
            assert apply_event(kind, OWNER, Tape(1), NOW) == (after, event)  # repeatable
    assert (
        apply_event(Kind.CONTACT_ADDED, OWNER, Tape(2), NOW)[0]
        != (apply_event(Kind.CONTACT_ADDED, OWNER, Tape(1), NOW)[0])
    )


def test_events_that_change_fields():
    """No other field changes; a new carrier may by chance be the same.

    A logout removes the account, and its event has the account's name.
    """
    for kind, fields in (
        (Kind.SIM_INSERTED, {"imsi", "iccid", "phone_number", "carrier"}),
        (Kind.LOCATION_ALLOWED, {"latitude", "longitude"}),
        (Kind.ACCOUNT_LOGOUT, {"accounts"}),
        (Kind.TRAVELLED, {"time_zone", "latitude", "longitude", "carrier"}),
        (Kind.REBOOT, {"uptime_seconds"}),
    ):
        with case(kind, fields):
            after, _ = apply_event(kind, OWNER, Tape(5), NOW)
            assert changed(OWNER, after) | {"carrier"} == fields | {"carrier"}
    after, event = apply_event(Kind.ACCOUNT_LOGOUT, OWNER, Tape(1), NOW)
    assert after.accounts == OWNER.accounts[1:]
    assert dict(event.details) == {"account": OWNER.accounts[0].name}


def test_a_journey_leads_into_another_time_zone():
    """Each of 50 journeys changes the time zone."""
    owner, tape, zones = OWNER, Tape(1), []
    for _ in range(50):
        owner, _ = apply_event(Kind.TRAVELLED, owner, tape, NOW)
        zones.append(owner.time_zone)
    assert all(first != second for first, second in pairwise(zones))
    assert len(set(zones)) > 5


def test_a_reset_leaves_the_device_and_the_sim():
    """Hardware and SIM numbers stay, IDs of the set-up are new, and the owner's data is gone."""
    after, _ = apply_event(Kind.FACTORY_RESET, OWNER, Tape(1), NOW)
    for kept in ("imei", "imei2", "serial", "wifi_mac", "bluetooth_mac", "imsi", "iccid"):
        assert getattr(after, kept) == getattr(OWNER, kept)
    for drawn in ("android_id", "gsf_id", "advertising_id"):
        assert getattr(after, drawn) != getattr(OWNER, drawn)
    for gone in ("accounts", "contacts", "calls", "messages", "notes", "photos", "networks"):
        assert getattr(after, gone) == ()


@given(st.lists(st.sampled_from(Kind), max_size=40), st.integers(0, 2**32))
def test_any_sequence_of_events_can_be_stored(kinds, seed):
    """The data survives encoding, and its numbers are in unassigned ranges."""
    owner, tape = OWNER, Tape(seed)
    for kind in kinds:
        owner, event = apply_event(kind, owner, tape, NOW)
        assert all(type(value) is str for pair in event.details for value in pair)
    assert decode_persona(encode_persona(owner)) == owner
    numbers = [owner.phone_number, *(each.number for each in owner.contacts)]
    numbers += [each.number for each in (*owner.calls, *owner.messages)]
    assert all(re.fullmatch(r"\+999[0-9]{11}", number) for number in numbers)
    assert re.fullmatch(r"00101[0-9]{10}", owner.imsi)
    assert owner.imei.encode() in canaries(owner)["imei"]


WITH = dataclasses.replace(
    OWNER,
    messages=tuple(
        dataclasses.replace(OWNER.messages[0], kind=kind, incoming=incoming, text=f"{kind} {way}")
        for kind in ("sms", "mms")
        for incoming, way in ((True, "in"), (False, "out"))
    ),
)


def test_lists_of_kinds_are_disjoint():
    """The events of 2014, everyday events, and those of the phone itself are all events."""
    rest = {Kind.REBOOT, Kind.FACTORY_RESET}
    assert {*KINDS_2014, *EVERYDAY, *rest} == set(Kind)
    assert len(KINDS_2014) + len(EVERYDAY) + len(rest) == len(Kind)
    assert all(describe(kind, WITH).name == kind for kind in Kind)


def test_details_are_the_owners_values():
    """An event has the values of the newest item, which is first."""
    for kind, name, value in (
        (Kind.SIM_INSERTED, "imsi", OWNER.imsi),
        (Kind.WIFI_JOINED, "bssid", OWNER.networks[0].bssid),
        (Kind.LOCATION_ALLOWED, "longitude", OWNER.longitude),
        (Kind.CONTACT_ADDED, "number", OWNER.contacts[0].number),
        (Kind.SMS_SENT, "text", "sms out"),
        (Kind.SMS_RECEIVED, "text", "sms in"),
        (Kind.MMS_SENT, "text", "mms out"),
        (Kind.MMS_RECEIVED, "text", "mms in"),
        (Kind.ACCOUNT_LOGIN, "account", OWNER.accounts[0].name),
        (Kind.ACCOUNT_LOGOUT, "account", OWNER.accounts[0].name),
        (Kind.APP_INSTALLED, "app", OWNER.apps[0]),
        (Kind.TRAVELLED, "time zone", OWNER.time_zone),
    ):
        with case(kind, name, value):
            assert dict(describe(kind, WITH).details)[name] == value


def test_events_of_an_owner_without_data():
    """Without an item of its kind an event has no details."""
    nothing = {"contacts": (), "messages": (), "photos": (), "calls": (), "accounts": ()}
    bare = dataclasses.replace(OWNER, networks=(), apps=(), **nothing)
    for kind in set(Kind) - {Kind.SIM_INSERTED, Kind.LOCATION_ALLOWED, Kind.TRAVELLED}:
        assert describe(kind, bare).details == ()
