"""The owner's data on a phone: fictional values that the lab plants and searches for.

Values come from unassigned ranges: IMEI with the test reporting body 00, IMSI in the test network
001-01, telephone numbers with the unassigned country code +999, locally administered MAC addresses,
`example.org` addresses, places in the Java Sea.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Final

import msgspec

from client_sim.errors import SimulatorError
from client_sim.tape import Tape

PERSONA_LIMIT: Final = 4 * 1024 * 1024
"""Maximum bytes of an encoded persona: enough for tens of thousands of contacts."""

_PLACES: Final = (
    ("id-ID", "Asia/Jakarta"),
    ("zh-TW", "Asia/Taipei"),
    ("hi-IN", "Asia/Kolkata"),
    ("de-DE", "Europe/Berlin"),
    ("pt-BR", "America/Sao_Paulo"),
)


class PersonaError(SimulatorError):
    """The bytes are not an encoded persona."""


@dataclass(frozen=True, slots=True)
class Account:
    """An account on the phone, with a token in place of its password."""

    name: str
    token: str


@dataclass(frozen=True, slots=True)
class Contact:
    """A person in the address book; the number is E.164."""

    name: str
    number: str
    address: str


@dataclass(frozen=True, slots=True)
class Call:
    """A line of the call log; `at` is epoch seconds."""

    number: str
    incoming: bool
    at: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Message:
    """A text or multimedia message; `kind` is `sms` or `mms`, `number` the other party."""

    kind: str
    number: str
    incoming: bool
    at: int
    text: str


@dataclass(frozen=True, slots=True)
class Note:
    """A note of the owner."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo; coordinates are the decimal degrees of its EXIF block, six places."""

    name: str
    latitude: str
    longitude: str
    taken_at: int


@dataclass(frozen=True, slots=True)
class WifiNetwork:
    """A Wi-Fi network that the phone has joined."""

    ssid: str
    bssid: str


@dataclass(frozen=True, slots=True)
class Persona:
    """One owner and one phone; coordinates are decimal degrees as text, times epoch seconds."""

    imei: str
    imei2: str
    imsi: str
    iccid: str
    phone_number: str
    wifi_mac: str
    bluetooth_mac: str
    serial: str
    android_id: str
    gsf_id: str
    advertising_id: str
    accounts: tuple[Account, ...]
    contacts: tuple[Contact, ...]
    calls: tuple[Call, ...]
    messages: tuple[Message, ...]
    notes: tuple[Note, ...]
    photos: tuple[Photo, ...]
    networks: tuple[WifiNetwork, ...]
    latitude: str
    longitude: str
    apps: tuple[str, ...]
    locale: str
    time_zone: str
    carrier: str
    battery_percent: int
    uptime_seconds: int


def encode_persona(persona: Persona) -> bytes:
    """Encode a persona as canonical JSON (FORMATS section 1) for `personal/persona.json`."""
    text = json.dumps(asdict(persona), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode() + b"\n"


def decode_persona(data: bytes) -> Persona:
    """Decode the output of `encode_persona`; raise PersonaError for any other bytes."""
    if len(data) > PERSONA_LIMIT:
        raise PersonaError(f"the persona has more than {PERSONA_LIMIT} bytes: give a smaller one")
    try:
        persona = msgspec.json.decode(data, type=Persona)
        again = encode_persona(persona)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise PersonaError(f"the persona cannot be read ({error}): write it anew") from error
    if again != data:
        raise PersonaError("the persona is not canonical JSON: write it with encode_persona")
    return persona


def make_contact(tape: Tape) -> Contact:
    """Make a contact for the address book."""
    word = tape.word()
    name = f"{tape.name()} {word.capitalize()}"
    return Contact(name=name, number=tape.number(), address=f"{word}@example.org")


def make_persona(seed: int | bytes) -> Persona:
    """Make the persona of a seed: the same seed always gives the same persona.

    The numbers of contacts, messages and photos also depend on the seed.
    """
    tape = Tape(seed)
    contacts = tuple(make_contact(tape) for _ in range(1 + tape.below(8)))
    locale, time_zone = tape.pick(_PLACES)
    at = 1_767_225_600 + tape.below(10_000_000)
    iccid = tape.iccid()
    return Persona(
        imei=tape.imei(),
        imei2=tape.imei(),
        imsi=tape.imsi(),
        iccid=iccid,
        phone_number=tape.number(),
        wifi_mac=tape.mac(),
        bluetooth_mac=tape.mac(),
        serial=tape.data(6).hex(),
        android_id=tape.data(8).hex(),
        gsf_id=tape.data(8).hex(),
        advertising_id=tape.uuid(),
        accounts=(Account(name=f"{tape.word()}@example.org", token=tape.data(24).hex()),),
        contacts=contacts,
        calls=tuple(
            Call(tape.pick(contacts).number, index % 2 == 0, at + index, tape.below(3600))
            for index in range(tape.below(5))
        ),
        messages=(
            *(
                Message("sms", tape.pick(contacts).number, index % 2 == 0, at + index, tape.text())
                for index in range(2 + tape.below(4))
            ),
            Message("mms", tape.number(), True, at, tape.text()),
        ),
        notes=tuple(Note(f"Note {tape.word()}", tape.text()) for _ in range(tape.below(4))),
        photos=tuple(
            Photo(f"IMG_{tape.digits(8)}.jpg", tape.degrees(-5), tape.degrees(110), at + index)
            for index in range(tape.below(4))
        ),
        networks=tuple(
            WifiNetwork(f"home-{tape.word()}", tape.mac()) for _ in range(1 + tape.below(3))
        ),
        latitude=tape.degrees(-5),
        longitude=tape.degrees(110),
        apps=tuple(tape.app() for _ in range(3)),
        locale=locale,
        time_zone=time_zone,
        carrier=tape.carrier(),
        battery_percent=1 + tape.below(100),
        uptime_seconds=tape.below(5_000_000),
    )


def canaries(persona: Persona) -> Mapping[str, tuple[bytes, ...]]:
    """List the values that cannot occur by chance, by field name, such as `contacts.number`.

    Short or common values (carrier, locale, battery) are left out, because a search for them would
    find noise. Leaks of those are found by a comparison of two personas.
    """
    found: dict[str, tuple[str, ...]] = {
        name: (getattr(persona, name),)
        for name in (
            *("imei", "imei2", "imsi", "iccid", "phone_number", "wifi_mac", "bluetooth_mac"),
            *("serial", "android_id", "gsf_id", "advertising_id", "latitude", "longitude"),
        )
    }
    for items, names in (
        ("accounts", ("name", "token")),
        ("contacts", ("name", "number", "address")),
        ("calls", ("number",)),
        ("messages", ("number", "text")),
        ("notes", ("title", "text")),
        ("photos", ("name", "latitude", "longitude")),
        ("networks", ("ssid", "bssid")),
    ):
        for name in names:
            values = [getattr(item, name) for item in getattr(persona, items)]
            found[f"{items}.{name}"] = tuple(values)
    found["apps"] = persona.apps
    return MappingProxyType(
        {
            name: tuple(dict.fromkeys(value.encode() for value in values))
            for name, values in found.items()
            if values
        }
    )
