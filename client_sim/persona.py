"""Everything a phone knows about its owner: planted, fictional and known to the last octet.

Numbers come from ranges that belong to nobody: IMEI with the test reporting body 00, IMSI in the
test network 001-01, telephone numbers below the unassigned country code +999, locally administered
MAC addresses, `example.org` addresses, places in the Java Sea.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Final, TypeVar

import msgspec

from client_sim.errors import SimulatorError

PERSONA_LIMIT: Final = 4 * 1024 * 1024
"""Octets of an encoded persona: a phone with tens of thousands of contacts stays below it."""

_NAMES: Final = ("Sari", "Budi", "Wei", "Ana", "Noor", "Ilse", "Tomas", "Zsófia", "玉兰", "Mehmet")
_CARRIERS: Final = ("Example Tel", "Contoh Seluler", "Test PLMN 1-1", "Beispiel Mobil")
_PLACES: Final = (
    ("id-ID", "Asia/Jakarta"),
    ("zh-TW", "Asia/Taipei"),
    ("hi-IN", "Asia/Kolkata"),
    ("de-DE", "Europe/Berlin"),
    ("pt-BR", "America/Sao_Paulo"),
)
_APPS: Final = ("bank", "chess", "clinic", "dating", "mosque", "parish", "payments", "transit")
_CHOICE = TypeVar("_CHOICE")


class PersonaError(SimulatorError):
    """The octets are not an encoded persona."""


@dataclass(frozen=True, slots=True)
class Account:
    """An account on the phone, with the token that stands for its password."""

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
    """A text or multimedia message; `kind` is `sms` or `mms`, `number` the other side."""

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
    """A network the phone has joined."""

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


def decode_persona(octets: bytes) -> Persona:
    """Decode what `encode_persona` made; raise PersonaError for anything else."""
    if len(octets) > PERSONA_LIMIT:
        raise PersonaError(f"the persona has more than {PERSONA_LIMIT} octets: give a smaller one")
    try:
        persona = msgspec.json.decode(octets, type=Persona)
        again = encode_persona(persona)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise PersonaError(f"the persona cannot be read ({error}): write it anew") from error
    if again != octets:
        raise PersonaError("the persona is not canonical JSON: write it with encode_persona")
    return persona


def luhn_digit(digits: str) -> str:
    """Compute the check digit of ISO/IEC 7812-1 annex B that follows `digits`."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


class _Tape:
    """An endless tape of octets from a seed: the same persona everywhere and for ever."""

    def __init__(self, seed: int | bytes) -> None:
        octets = seed if isinstance(seed, bytes) else str(seed).encode()
        self._state = hashlib.sha256(b"hening persona v1\x00" + octets).digest()
        self._left = b""
        self._block = 0

    def octets(self, count: int) -> bytes:
        while len(self._left) < count:
            block = self._state + self._block.to_bytes(8, "big")
            self._left += hashlib.sha512(block).digest()
            self._block += 1
        taken, self._left = self._left[:count], self._left[count:]
        return taken

    def below(self, bound: int) -> int:
        return int.from_bytes(self.octets(8), "big") % bound

    def digits(self, count: int) -> str:
        return str(self.below(10**count)).zfill(count)

    def pick(self, choices: Sequence[_CHOICE]) -> _CHOICE:
        return choices[self.below(len(choices))]

    def word(self) -> str:
        return "".join("abcdefghijklmnopqrstuvwxyz234567"[o % 32] for o in self.octets(13))


def _number(tape: _Tape) -> str:
    return "+999" + tape.digits(11)


def _mac(tape: _Tape) -> str:
    return "02:" + tape.octets(5).hex(":")


def _imei(tape: _Tape) -> str:
    body = "001017" + tape.digits(8)
    return body + luhn_digit(body)


def _degrees(tape: _Tape, lowest: int) -> str:
    return f"{lowest}.{tape.digits(6)}"


def _contact(tape: _Tape) -> Contact:
    word = tape.word()
    name = f"{tape.pick(_NAMES)} {word.capitalize()}"
    return Contact(name=name, number=_number(tape), address=f"{word}@example.org")


def make_persona(seed: int | bytes) -> Persona:
    """Make the persona of a seed: the same seed gives the same persona, another gives another.

    How much the owner has (contacts, messages, photos) varies with the seed too.
    """
    tape = _Tape(seed)
    contacts = tuple(_contact(tape) for _ in range(1 + tape.below(8)))
    locale, time_zone = tape.pick(_PLACES)
    at = 1_767_225_600 + tape.below(10_000_000)
    iccid = "89999" + tape.digits(14)
    return Persona(
        imei=_imei(tape),
        imei2=_imei(tape),
        imsi="00101" + tape.digits(10),
        iccid=iccid + luhn_digit(iccid),
        phone_number=_number(tape),
        wifi_mac=_mac(tape),
        bluetooth_mac=_mac(tape),
        serial=tape.octets(6).hex(),
        android_id=tape.octets(8).hex(),
        gsf_id=tape.octets(8).hex(),
        advertising_id=_uuid(tape),
        accounts=(Account(name=f"{tape.word()}@example.org", token=tape.octets(24).hex()),),
        contacts=contacts,
        calls=tuple(
            Call(tape.pick(contacts).number, index % 2 == 0, at + index, tape.below(3600))
            for index in range(tape.below(5))
        ),
        messages=(
            *(
                Message("sms", tape.pick(contacts).number, index % 2 == 0, at + index, _text(tape))
                for index in range(2 + tape.below(4))
            ),
            Message("mms", _number(tape), True, at, _text(tape)),
        ),
        notes=tuple(Note(f"Note {tape.word()}", _text(tape)) for _ in range(tape.below(4))),
        photos=tuple(
            Photo(f"IMG_{tape.digits(8)}.jpg", _degrees(tape, -5), _degrees(tape, 110), at + index)
            for index in range(tape.below(4))
        ),
        networks=tuple(
            WifiNetwork(f"home-{tape.word()}", _mac(tape)) for _ in range(1 + tape.below(3))
        ),
        latitude=_degrees(tape, -5),
        longitude=_degrees(tape, 110),
        apps=tuple(f"org.example.{tape.pick(_APPS)}.{tape.word()}" for _ in range(3)),
        locale=locale,
        time_zone=time_zone,
        carrier=tape.pick(_CARRIERS),
        battery_percent=1 + tape.below(100),
        uptime_seconds=tape.below(5_000_000),
    )


def _uuid(tape: _Tape) -> str:
    text = tape.octets(16).hex()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-8{text[17:20]}-{text[20:]}"


def _text(tape: _Tape) -> str:
    return f"Meet {tape.pick(_NAMES)} at {tape.word()} {tape.below(24)}:{tape.below(60):02}"


def canaries(persona: Persona) -> Mapping[str, tuple[bytes, ...]]:
    """List the values that cannot turn up by chance, by field name, such as `contacts.number`.

    What is short or shared by many owners (carrier, locale, battery) is not here: a search for it
    would find noise. Comparing two personas finds those.
    """
    found: dict[str, tuple[str, ...]] = {
        name: (getattr(persona, name),)
        for name in (
            *("imei", "imei2", "imsi", "iccid", "phone_number", "wifi_mac", "bluetooth_mac"),
            *("serial", "android_id", "gsf_id", "advertising_id", "latitude", "longitude"),
        )
    }
    found["accounts.name"] = tuple(account.name for account in persona.accounts)
    found["accounts.token"] = tuple(account.token for account in persona.accounts)
    found["contacts.name"] = tuple(contact.name for contact in persona.contacts)
    found["contacts.number"] = tuple(contact.number for contact in persona.contacts)
    found["contacts.address"] = tuple(contact.address for contact in persona.contacts)
    found["calls.number"] = tuple(call.number for call in persona.calls)
    found["messages.number"] = tuple(message.number for message in persona.messages)
    found["messages.text"] = tuple(message.text for message in persona.messages)
    found["notes.title"] = tuple(note.title for note in persona.notes)
    found["notes.text"] = tuple(note.text for note in persona.notes)
    found["photos.name"] = tuple(photo.name for photo in persona.photos)
    found["photos.latitude"] = tuple(photo.latitude for photo in persona.photos)
    found["photos.longitude"] = tuple(photo.longitude for photo in persona.photos)
    found["networks.ssid"] = tuple(network.ssid for network in persona.networks)
    found["networks.bssid"] = tuple(network.bssid for network in persona.networks)
    found["apps"] = persona.apps
    return MappingProxyType(
        {
            name: tuple(dict.fromkeys(value.encode() for value in values))
            for name, values in found.items()
            if values
        }
    )
