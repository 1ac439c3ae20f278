"""Effects of events on the owner's data: pure functions of the data, a tape and the time.

Lists have the newest item first, as on phones. All data is fictional (`client_sim.persona`).
"""

from collections.abc import Callable, Iterable
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


def describe(kind: Kind, persona: Persona) -> Event:
    """Make the event for this owner, with the newest value of its kind as details.

    Without a message of the kind, any message is used, and without a call any contact. Without any
    value, the event has no details.
    """
    make_details = _DETAILS.get(kind)
    return Event(kind.value, () if make_details is None else make_details(persona))


def _sim_details(persona: Persona) -> Details:
    return (
        ("carrier", persona.carrier),
        ("iccid", persona.iccid),
        ("imsi", persona.imsi),
        ("number", persona.phone_number),
    )


def _network_details(persona: Persona) -> Details:
    return _first((("ssid", each.ssid), ("bssid", each.bssid)) for each in persona.networks)


def _place_details(persona: Persona) -> Details:
    return (("latitude", persona.latitude), ("longitude", persona.longitude))


def _contact_details(persona: Persona) -> Details:
    return _first((("name", each.name), ("number", each.number)) for each in persona.contacts)


def _message_details(kind: str, *, incoming: bool) -> Callable[[Persona], Details]:
    def details(persona: Persona) -> Details:
        fitting = [m for m in persona.messages if (m.kind, m.incoming) == (kind, incoming)]
        return _first(
            (("number", each.number), ("text", each.text)) for each in fitting or persona.messages
        )

    return details


def _call_details(*, incoming: bool) -> Callable[[Persona], Details]:
    def details(persona: Persona) -> Details:
        fitting = [call for call in persona.calls if call.incoming == incoming]
        return _first((("number", each.number),) for each in fitting or persona.contacts)

    return details


def _account_details(persona: Persona) -> Details:
    return _first((("account", each.name),) for each in persona.accounts)


def _app_details(persona: Persona) -> Details:
    return _first((("app", each),) for each in persona.apps)


def _photo_details(persona: Persona) -> Details:
    return _first(
        (("name", each.name), ("latitude", each.latitude), ("longitude", each.longitude))
        for each in persona.photos
    )


def _journey_details(persona: Persona) -> Details:
    return (
        *_place_details(persona),
        ("time zone", persona.time_zone),
        ("carrier", persona.carrier),
    )


def _first(all_details: Iterable[Details]) -> Details:
    return next(iter(all_details), ())


_DETAILS: Final[dict[Kind, Callable[[Persona], Details]]] = {
    Kind.SIM_INSERTED: _sim_details,
    Kind.WIFI_JOINED: _network_details,
    Kind.LOCATION_ALLOWED: _place_details,
    Kind.CONTACT_ADDED: _contact_details,
    Kind.SMS_SENT: _message_details("sms", incoming=False),
    Kind.SMS_RECEIVED: _message_details("sms", incoming=True),
    Kind.MMS_SENT: _message_details("mms", incoming=False),
    Kind.MMS_RECEIVED: _message_details("mms", incoming=True),
    Kind.CALL_PLACED: _call_details(incoming=False),
    Kind.CALL_RECEIVED: _call_details(incoming=True),
    Kind.ACCOUNT_LOGIN: _account_details,
    Kind.ACCOUNT_LOGOUT: _account_details,
    Kind.APP_INSTALLED: _app_details,
    Kind.PHOTO_TAKEN: _photo_details,
    Kind.TRAVELLED: _journey_details,
}


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
    if kind is Kind.ACCOUNT_LOGOUT:
        # The event for apps names the account, which is no longer in the new data.
        return _log_out(persona), describe(kind, persona)
    change = _CHANGES.get(kind)
    after = persona if change is None else change(persona, tape, now)
    return after, describe(kind, after)


def _insert_sim(persona: Persona, tape: Tape, _now: int) -> Persona:
    return replace(
        persona,
        imsi=tape.imsi(),
        iccid=tape.iccid(),
        phone_number=tape.number(),
        carrier=tape.carrier(),
    )


def _join_network(persona: Persona, tape: Tape, _now: int) -> Persona:
    network = WifiNetwork(f"cafe-{tape.word()}", tape.mac())
    return replace(persona, networks=(network, *persona.networks))


def _allow_location(persona: Persona, tape: Tape, _now: int) -> Persona:
    return replace(persona, latitude=tape.degrees(-5), longitude=tape.degrees(110))


def _add_contact(persona: Persona, tape: Tape, _now: int) -> Persona:
    return replace(persona, contacts=(make_contact(tape), *persona.contacts))


def _write(kind: str, *, incoming: bool) -> Callable[[Persona, Tape, int], Persona]:
    def change(persona: Persona, tape: Tape, now: int) -> Persona:
        message = Message(kind, _pick_number(persona, tape), incoming, now, tape.text())
        return replace(persona, messages=(message, *persona.messages))

    return change


def _call(*, incoming: bool) -> Callable[[Persona, Tape, int], Persona]:
    def change(persona: Persona, tape: Tape, now: int) -> Persona:
        seconds = _SHORTEST_CALL + tape.below(_LONGEST_CALL)
        call = Call(_pick_number(persona, tape), incoming, now, seconds)
        return replace(persona, calls=(call, *persona.calls))

    return change


def _log_in(persona: Persona, tape: Tape, _now: int) -> Persona:
    account = Account(f"{tape.word()}@example.org", tape.data(24).hex())
    return replace(persona, accounts=(account, *persona.accounts))


def _log_out(persona: Persona) -> Persona:
    return replace(persona, accounts=persona.accounts[1:])


def _install_app(persona: Persona, tape: Tape, _now: int) -> Persona:
    return replace(persona, apps=(tape.app(), *persona.apps))


def _take_photo(persona: Persona, tape: Tape, now: int) -> Persona:
    name = f"IMG_{tape.digits(8)}.jpg"
    photo = Photo(name, persona.latitude, persona.longitude, now)
    return replace(persona, photos=(photo, *persona.photos))


def _travel(persona: Persona, tape: Tape, _now: int) -> Persona:
    elsewhere = [journey for journey in _JOURNEYS if journey[0] != persona.time_zone]
    time_zone, latitude, longitude = tape.pick(elsewhere)
    return replace(
        persona,
        time_zone=time_zone,
        latitude=tape.degrees(latitude),
        longitude=tape.degrees(longitude),
        carrier=tape.carrier(),
    )


def _restart(persona: Persona, _tape: Tape, _now: int) -> Persona:
    return replace(persona, uptime_seconds=0)


def _reset(persona: Persona, tape: Tape, _now: int) -> Persona:
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


_CHANGES: Final[dict[Kind, Callable[[Persona, Tape, int], Persona]]] = {
    Kind.SIM_INSERTED: _insert_sim,
    Kind.WIFI_JOINED: _join_network,
    Kind.LOCATION_ALLOWED: _allow_location,
    Kind.CONTACT_ADDED: _add_contact,
    Kind.SMS_SENT: _write("sms", incoming=False),
    Kind.SMS_RECEIVED: _write("sms", incoming=True),
    Kind.MMS_SENT: _write("mms", incoming=False),
    Kind.MMS_RECEIVED: _write("mms", incoming=True),
    Kind.CALL_PLACED: _call(incoming=False),
    Kind.CALL_RECEIVED: _call(incoming=True),
    Kind.ACCOUNT_LOGIN: _log_in,
    Kind.APP_INSTALLED: _install_app,
    Kind.PHOTO_TAKEN: _take_photo,
    Kind.TRAVELLED: _travel,
    Kind.REBOOT: _restart,
    Kind.FACTORY_RESET: _reset,
}


class OwnerError(SimulatorError):
    """An event is impossible for this phone; the message says what to do."""
