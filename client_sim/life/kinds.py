"""The kinds of things that happen to a phone, and the details that its system tells apps of them.

A lab in 2014 staged the first of them between the requests of a phone; the rest are everyday life.
"""

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Final

from client_sim.persona import Persona
from client_sim.world import Event

Details = tuple[tuple[str, str], ...]


class Kind(StrEnum):
    """A kind of event, by the name that commands and scenarios use."""

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
"""What was staged in 2014: a SIM, Wi-Fi, location, a contact, messages, calls, an account."""

EVERYDAY: Final = (Kind.APP_INSTALLED, Kind.PHOTO_TAKEN, Kind.TRAVELLED)
"""What else happens to owners, and not to the phone itself as a restart or a reset does."""


def describe(kind: Kind, persona: Persona) -> Event:
    """Make the event as it happens to this owner, told with the newest value of its kind.

    An owner without such a message or call has it with somebody else they know, and one who has
    nothing of the kind at all gives an event without details.
    """
    tell = _DETAILS.get(kind)
    return Event(kind.value, () if tell is None else tell(persona))


def _tell_sim(persona: Persona) -> Details:
    return (
        ("carrier", persona.carrier),
        ("iccid", persona.iccid),
        ("imsi", persona.imsi),
        ("number", persona.phone_number),
    )


def _tell_network(persona: Persona) -> Details:
    return _first((("ssid", each.ssid), ("bssid", each.bssid)) for each in persona.networks)


def _tell_place(persona: Persona) -> Details:
    return (("latitude", persona.latitude), ("longitude", persona.longitude))


def _tell_contact(persona: Persona) -> Details:
    return _first((("name", each.name), ("number", each.number)) for each in persona.contacts)


def _tell_message(kind: str, *, incoming: bool) -> Callable[[Persona], Details]:
    def tell(persona: Persona) -> Details:
        fitting = [m for m in persona.messages if (m.kind, m.incoming) == (kind, incoming)]
        return _first(
            (("number", each.number), ("text", each.text)) for each in fitting or persona.messages
        )

    return tell


def _tell_call(*, incoming: bool) -> Callable[[Persona], Details]:
    def tell(persona: Persona) -> Details:
        fitting = [call for call in persona.calls if call.incoming == incoming]
        return _first((("number", each.number),) for each in fitting or persona.contacts)

    return tell


def _tell_account(persona: Persona) -> Details:
    return _first((("account", each.name),) for each in persona.accounts)


def _tell_app(persona: Persona) -> Details:
    return _first((("app", each),) for each in persona.apps)


def _tell_photo(persona: Persona) -> Details:
    return _first(
        (("name", each.name), ("latitude", each.latitude), ("longitude", each.longitude))
        for each in persona.photos
    )


def _tell_journey(persona: Persona) -> Details:
    return (
        *_tell_place(persona),
        ("time zone", persona.time_zone),
        ("carrier", persona.carrier),
    )


def _first(all_details: Iterable[Details]) -> Details:
    return next(iter(all_details), ())


_DETAILS: Final[dict[Kind, Callable[[Persona], Details]]] = {
    Kind.SIM_INSERTED: _tell_sim,
    Kind.WIFI_JOINED: _tell_network,
    Kind.LOCATION_ALLOWED: _tell_place,
    Kind.CONTACT_ADDED: _tell_contact,
    Kind.SMS_SENT: _tell_message("sms", incoming=False),
    Kind.SMS_RECEIVED: _tell_message("sms", incoming=True),
    Kind.MMS_SENT: _tell_message("mms", incoming=False),
    Kind.MMS_RECEIVED: _tell_message("mms", incoming=True),
    Kind.CALL_PLACED: _tell_call(incoming=False),
    Kind.CALL_RECEIVED: _tell_call(incoming=True),
    Kind.ACCOUNT_LOGIN: _tell_account,
    Kind.ACCOUNT_LOGOUT: _tell_account,
    Kind.APP_INSTALLED: _tell_app,
    Kind.PHOTO_TAKEN: _tell_photo,
    Kind.TRAVELLED: _tell_journey,
}
