"""Effects of events on the owner's data: pure functions of the data, a tape and the time.

Lists have the newest item first, as on phones. All data is fictional (`client_sim.persona`).
"""

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Final

from client_sim.errors import SimulatorError
from client_sim.persona import (
    Account,
    Call,
    Message,
    Persona,
    Photo,
    WifiNetwork,
    make_contact,
)
from client_sim.tape import Tape
from client_sim.world import Event

Details = tuple[tuple[str, str], ...]


class Kind(StrEnum):
    """A kind of event; the values are the names in commands and scenarios."""

    SIM_INSERTED = "sim-inserted"
    WIFI_JOINED = "wifi-joined"
    LOCATION_ALLOWED = "location-allowed"
    CONTACT_ADDED = "contact-added"
    SMS_SENT = "sms-sent"
    SMS_RECEIVED = "sms-received"
    MMS_SENT = "mms-sent"
    MMS_RECEIVED = "mms-received"
    CALL_PLACED = "call-placed"
    CALL_RECEIVED = "call-received"
    ACCOUNT_LOGIN = "account-login"
    ACCOUNT_LOGOUT = "account-logout"
    APP_INSTALLED = "app-installed"
    PHOTO_TAKEN = "photo-taken"
    TRAVELLED = "travelled"
    REBOOT = "reboot"
    FACTORY_RESET = "factory-reset"


KINDS_2014: Final = tuple(Kind)[: tuple(Kind).index(Kind.APP_INSTALLED)]
"""Events of the 2014 test: SIM, Wi-Fi, location, contact, messages, calls and account."""

EVERYDAY: Final = (Kind.APP_INSTALLED, Kind.PHOTO_TAKEN, Kind.TRAVELLED)
"""The other events of owners; a restart or a reset is an event of the phone."""


def describe(kind: Kind, persona: Persona) -> Event:  # noqa: C901 - one case per kind
    """Make the event for this owner, with the newest value of its kind as details.

    Without a message of the kind, any message is used, and without a call any contact. Without any
    value, the event has no details.
    """
    place = (("latitude", persona.latitude), ("longitude", persona.longitude))
    match kind:
        case Kind.SIM_INSERTED:
            details: Details = (
                ("carrier", persona.carrier),
                ("iccid", persona.iccid),
                ("imsi", persona.imsi),
                ("number", persona.phone_number),
            )
        case Kind.WIFI_JOINED:
            details = _newest(persona.networks, "ssid", "bssid")
        case Kind.LOCATION_ALLOWED:
            details = place
        case Kind.CONTACT_ADDED:
            details = _newest(persona.contacts, "name", "number")
        case Kind.SMS_SENT | Kind.SMS_RECEIVED | Kind.MMS_SENT | Kind.MMS_RECEIVED:
            wanted = _read_message_kind(kind)
            messages = [each for each in persona.messages if (each.kind, each.incoming) == wanted]
            details = _newest(messages or persona.messages, "number", "text")
        case Kind.CALL_PLACED | Kind.CALL_RECEIVED:
            is_incoming = kind is Kind.CALL_RECEIVED
            calls = [each for each in persona.calls if each.incoming == is_incoming]
            details = _newest(calls or persona.contacts, "number")
        case Kind.ACCOUNT_LOGIN | Kind.ACCOUNT_LOGOUT:
            details = tuple(("account", each.name) for each in persona.accounts[:1])
        case Kind.APP_INSTALLED:
            details = tuple(("app", each) for each in persona.apps[:1])
        case Kind.PHOTO_TAKEN:
            details = _newest(persona.photos, "name", "latitude", "longitude")
        case Kind.TRAVELLED:
            details = (*place, ("time zone", persona.time_zone), ("carrier", persona.carrier))
        case _:
            details = ()
    return Event(kind.value, details)


def _newest(items: Sequence[object], *names: str) -> Details:
    """Return the values `names` of the first item, or nothing."""
    return tuple((name, getattr(item, name)) for item in items[:1] for name in names)


def _read_message_kind(kind: Kind) -> tuple[str, bool]:
    """Return the kind of a message, `sms` or `mms`, and whether it is incoming."""
    channel, _, way = kind.partition("-")
    return channel, way == "received"


_JOURNEYS: Final = (
    # A time zone, and whole degrees of open sea in place of a country.
    ("Asia/Tokyo", 30, 150),
    ("Asia/Kolkata", 8, 66),
    ("Europe/Lisbon", 40, -22),
    ("America/Sao_Paulo", -27, -38),
    ("America/Los_Angeles", 32, -130),
    ("Africa/Nairobi", -3, 47),
    ("Pacific/Auckland", -40, 168),
    ("Pacific/Kiritimati", 3, -160),
)
_SHORTEST_CALL: Final = 1  # seconds
_LONGEST_CALL: Final = 3600


def apply_event(kind: Kind, persona: Persona, tape: Tape, now: int) -> tuple[Persona, Event]:
    """Apply an event at epoch seconds `now`; return the new data, and the event for apps."""
    after = _change(kind, persona, tape, now)
    # The event of a logout names the account, which is no longer in the new data.
    return after, describe(kind, persona if kind is Kind.ACCOUNT_LOGOUT else after)


def _change(  # noqa: C901, PLR0912 - one case per kind
    kind: Kind, persona: Persona, tape: Tape, now: int
) -> Persona:
    match kind:
        case Kind.SIM_INSERTED:
            return replace(
                persona,
                imsi=tape.imsi(),
                iccid=tape.iccid(),
                phone_number=tape.number(),
                carrier=tape.carrier(),
            )
        case Kind.WIFI_JOINED:
            network = WifiNetwork(f"cafe-{tape.word()}", tape.mac())
            return replace(persona, networks=(network, *persona.networks))
        case Kind.LOCATION_ALLOWED:
            return replace(persona, latitude=tape.degrees(-5), longitude=tape.degrees(110))
        case Kind.CONTACT_ADDED:
            return replace(persona, contacts=(make_contact(tape), *persona.contacts))
        case Kind.SMS_SENT | Kind.SMS_RECEIVED | Kind.MMS_SENT | Kind.MMS_RECEIVED:
            channel, is_incoming = _read_message_kind(kind)
            number = _pick_number(persona, tape)
            message = Message(channel, number, is_incoming, now, tape.text())
            return replace(persona, messages=(message, *persona.messages))
        case Kind.CALL_PLACED | Kind.CALL_RECEIVED:
            seconds = _SHORTEST_CALL + tape.below(_LONGEST_CALL)
            number = _pick_number(persona, tape)
            call = Call(number, kind is Kind.CALL_RECEIVED, now, seconds)
            return replace(persona, calls=(call, *persona.calls))
        case Kind.ACCOUNT_LOGIN:
            account = Account(f"{tape.word()}@example.org", tape.data(24).hex())
            return replace(persona, accounts=(account, *persona.accounts))
        case Kind.ACCOUNT_LOGOUT:
            return replace(persona, accounts=persona.accounts[1:])
        case Kind.APP_INSTALLED:
            return replace(persona, apps=(tape.app(), *persona.apps))
        case Kind.PHOTO_TAKEN:
            name = f"IMG_{tape.digits(8)}.jpg"
            photo = Photo(name, persona.latitude, persona.longitude, now)
            return replace(persona, photos=(photo, *persona.photos))
        case Kind.TRAVELLED:
            elsewhere = [journey for journey in _JOURNEYS if journey[0] != persona.time_zone]
            time_zone, latitude, longitude = tape.pick(elsewhere)
            return replace(
                persona,
                time_zone=time_zone,
                latitude=tape.degrees(latitude),
                longitude=tape.degrees(longitude),
                carrier=tape.carrier(),
            )
        case Kind.REBOOT:
            return replace(persona, uptime_seconds=0)
        case Kind.FACTORY_RESET:
            return _reset(persona, tape)


def _reset(persona: Persona, tape: Tape) -> Persona:
    """Keep the values of device and SIM, redraw those that a set-up generates, drop the rest."""
    return replace(
        persona,
        android_id=tape.data(8).hex(),
        gsf_id=tape.data(8).hex(),
        advertising_id=tape.uuid(),
        accounts=(),
        contacts=(),
        calls=(),
        messages=(),
        notes=(),
        photos=(),
        networks=(),
        apps=(),
        uptime_seconds=0,
    )


def _pick_number(persona: Persona, tape: Tape) -> str:
    """Return the number of one of the owner's contacts, or a new number if there are none."""
    return tape.pick(persona.contacts).number if persona.contacts else tape.number()


class OwnerError(SimulatorError):
    """An event is impossible for this phone; the message says what to do."""
