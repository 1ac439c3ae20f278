"""Owners with edge values, and owners whose data look real.

Edge values are absent, empty, minimal, maximal, tenfold, reversed, foreign, or equal to another
value. With realistic data, a client cannot tell from the numbers that it is under test.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from types import MappingProxyType
from typing import Any, Final

from client_sim.persona import Contact, Persona
from client_sim.tape import Tape, luhn_digit

FIELDS: Final = tuple(field.name for field in fields(Persona))
"""Every field of a persona, in its order."""

_MANY: Final = 400  # items; more contacts than any known trigger waits for
_LONG: Final = 4096  # characters
_FOREIGN: Final = "Žlutý kůň ١٢٣ 玉兰 🦄"

_TEXTS: Final[Mapping[str, Callable[[str], str]]] = MappingProxyType(
    {
        "absent": lambda _text: "",
        "empty": lambda _text: " ",
        "minimal": lambda text: text[:1] or "0",
        "maximal": lambda text: (text or "9")[-1] * _LONG,
        "tenfold": lambda text: text * 10,
        "reversed": lambda text: text[::-1],
        "foreign": lambda text: _FOREIGN + text,
    }
)
_COUNTS: Final[Mapping[str, Callable[[int], int]]] = MappingProxyType(
    {
        "absent": lambda _count: 0,
        "empty": lambda _count: -1,
        "minimal": lambda _count: 1,
        "maximal": lambda _count: 2**53 - 1,
        "tenfold": lambda count: count * 10,
        "reversed": lambda count: int(str(abs(count))[::-1]),
        "foreign": lambda count: -count,
    }
)
_LISTS: Final[Mapping[str, Callable[[tuple[Any, ...]], tuple[Any, ...]]]] = MappingProxyType(
    {
        "absent": lambda _items: (),
        "empty": lambda items: tuple(_each_text(item, _TEXTS["absent"]) for item in items[:1]),
        "minimal": lambda items: items[:1],
        "maximal": lambda items: (items * _MANY)[:_MANY],
        "tenfold": lambda items: items * 10,
        "reversed": lambda items: items[::-1],
        "foreign": lambda items: tuple(_each_text(item, _TEXTS["foreign"]) for item in items),
    }
)

SHAPES: Final = (*_TEXTS, "equal")
"""The edge values; `equal` is the value of another field of that type, or a list of equal items."""
_LETTERS: Final = "abcdefghjklmnoprstuvwxyz"  # without i and q
_SERVERS: Final = ("updates", "ota", "fota", "dl", "firmware", "rom-updates", "cdn.ota", "eu.dl")
_LOCAL: Final = "26ae"  # second digits of unicast MAC addresses that are locally administered


def reshape(persona: Persona, field: str, shape: str) -> Persona:
    """Return the persona with one field changed to a shape of `SHAPES`."""
    value = getattr(persona, field)
    if shape == "equal":
        changed = _another(persona, field)
    elif isinstance(value, str):
        changed = _TEXTS[shape](value)
    elif isinstance(value, int):
        changed = _COUNTS[shape](value)
    else:
        changed = _LISTS[shape](value)
    change: dict[str, Any] = {field: changed}
    return replace(persona, **change)


def list_singles() -> tuple[tuple[str, str], ...]:
    """Return every field with every shape."""
    return tuple((field, shape) for field in FIELDS for shape in SHAPES)


def draw_shapes(tape: Tape) -> tuple[tuple[str, str], ...]:
    """Draw about half of the fields, each with a shape."""
    return tuple((field, tape.pick(SHAPES)) for field in FIELDS if tape.below(2))


def _another(persona: Persona, field: str) -> Any:  # noqa: ANN401  # of the field's own type
    value = getattr(persona, field)
    if isinstance(value, tuple):
        return value[:1] * max(2, len(value))
    same = [name for name in FIELDS if type(getattr(persona, name)) is type(value)]
    return getattr(persona, same[same.index(field) - 1])


def _each_text(item: Any, change: Callable[[str], str]) -> Any:  # noqa: ANN401  # a text or a record
    if isinstance(item, str):
        return change(item)
    texts = {f.name: getattr(item, f.name) for f in fields(item)}
    return replace(item, **{n: change(v) for n, v in texts.items() if isinstance(v, str)})


def draw_host(tape: Tape) -> str:
    """Draw the name of an update server."""
    return f"{tape.pick(_SERVERS)}.{_draw_domain(tape)}"


def make_lifelike(persona: Persona) -> Persona:
    """Return the same owner with ordinary-looking numbers, addresses and names.

    Equal values stay equal, so a call is still from a contact. Equal personas give equal results.
    """
    return replace(
        persona,
        imei=_imei(persona.imei),
        imei2=_imei(persona.imei2),
        imsi=f"264{persona.imsi[3:]}",
        iccid=_iccid(persona.iccid),
        phone_number=_number(persona.phone_number),
        wifi_mac=_mac(persona.wifi_mac),
        bluetooth_mac=_mac(persona.bluetooth_mac),
        accounts=tuple(replace(each, name=_address(each.name)) for each in persona.accounts),
        contacts=tuple(map(_contact, persona.contacts)),
        calls=tuple(replace(each, number=_number(each.number)) for each in persona.calls),
        messages=tuple(replace(each, number=_number(each.number)) for each in persona.messages),
        networks=tuple(replace(each, bssid=_mac(each.bssid)) for each in persona.networks),
        apps=tuple(map(_app, persona.apps)),
    )


def _contact(contact: Contact) -> Contact:
    return replace(contact, number=_number(contact.number), address=_address(contact.address))


def _number(number: str) -> str:
    tape = Tape(f"number {number}".encode())
    area = f"{2 + tape.below(8)}{tape.below(9)}{tape.below(10)}"
    return tape.pick(
        (
            f"+1{area}55501{tape.digits(2)}",
            f"+1{area}55501{tape.digits(2)}",
            f"+447700900{tape.digits(3)}",
            f"+441632960{tape.digits(3)}",
            f"+3363998{tape.digits(4)}",
        )
    )


def _imei(imei: str) -> str:
    tape = Tape(f"type {imei}".encode())
    body = f"98{1 + tape.below(9)}{tape.digits(5)}{imei[8:14]}"
    return body + luhn_digit(body)


def _iccid(iccid: str) -> str:
    body = f"89210{iccid[5:-1]}"
    return body + luhn_digit(body)


def _mac(mac: str) -> str:
    tape = Tape(f"mac {mac}".encode())
    return f"{tape.below(16):x}{tape.pick(_LOCAL)}{mac[2:]}"


def _address(address: str) -> str:
    return f"{address.partition('@')[0]}@{_draw_domain(Tape(f'mail {address}'.encode()))}"


def _app(app: str) -> str:
    # The persona's apps are org.example.KIND.WORD; package names begin with the reversed domain.
    return f"net.{Tape(f'app {app}'.encode()).pick(_LETTERS)}.{app.removeprefix('org.example.')}"


def _draw_domain(tape: Tape) -> str:
    return f"{tape.pick(_LETTERS)}.net"
