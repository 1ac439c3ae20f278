"""Owners at the edges: each field absent, empty, minimal, maximal, tenfold and stranger still."""

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from types import MappingProxyType
from typing import Any, Final

from client_sim.persona import Persona
from client_sim.tape import Tape

FIELDS: Final = tuple(field.name for field in fields(Persona))
"""Every field of a persona, in its order."""

_MANY: Final = 400  # of a kind: more contacts than any trigger that was ever seen waits for
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
"""What a field is turned into; `equal`: another field of its type, or items that are all alike."""


def reshape(persona: Persona, field: str, shape: str) -> Persona:
    """Return the persona with one field turned into a shape of `SHAPES`."""
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
    """List every field with every shape."""
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
