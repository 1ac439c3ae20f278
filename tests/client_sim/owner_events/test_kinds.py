import dataclasses

import pytest

from client_sim.owner_events.events import EVERYDAY, KINDS_2014, Kind, describe
from client_sim.persona import make_persona

OWNER = make_persona(3)
WITH = dataclasses.replace(
    OWNER,
    messages=tuple(
        dataclasses.replace(OWNER.messages[0], kind=kind, incoming=incoming, text=f"{kind} {way}")
        for kind in ("sms", "mms")
        for incoming, way in ((True, "in"), (False, "out"))
    ),
)


def test_the_lists_part_the_kinds():
    """What was staged in 2014, everyday life, and what happens to the phone itself."""
    rest = {Kind.REBOOT, Kind.FACTORY_RESET}
    assert {*KINDS_2014, *EVERYDAY, *rest} == set(Kind)
    assert len(KINDS_2014) + len(EVERYDAY) + len(rest) == len(Kind)


@pytest.mark.parametrize("kind", Kind)
def test_an_event_has_the_name_of_its_kind(kind):
    """The name that commands and scenarios use."""
    assert describe(kind, WITH).name == kind


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
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
    ],
)
def test_apps_hear_the_owners_own_values(kind, name, value):
    """The newest of its kind, which stands first."""
    assert dict(describe(kind, WITH).details)[name] == value


def test_an_owner_who_has_nothing_has_events_all_the_same():
    """No contact, no message, no photo: an event without details."""
    nothing = {"contacts": (), "messages": (), "photos": (), "calls": (), "accounts": ()}
    bare = dataclasses.replace(OWNER, networks=(), apps=(), **nothing)
    for kind in set(Kind) - {Kind.SIM_INSERTED, Kind.LOCATION_ALLOWED, Kind.TRAVELLED}:
        assert describe(kind, bare).details == ()
