"""Stand-ins for the owner's data, and for events that carry it, which record every read.

A client that collects data before it sends any leaves no byte on the network meanwhile. The
tripwire still sees it: polling needs none of this data, so any read is a finding.
"""

from collections.abc import Callable
from dataclasses import fields
from typing import Any

from client_sim.persona import Persona
from client_sim.world import Event

_FIELDS = frozenset(field.name for field in fields(Persona))


class Tripwire(Persona):
    """A persona that calls `note(field)` whenever a field is read; the values are the true ones.

    Copying, printing, comparing or encoding it reads every field, and is recorded as such.
    """

    __slots__ = ("_note",)
    _note: Callable[[str], None]

    def __init__(self, persona: Persona, note: Callable[[str], None]) -> None:
        for name in _FIELDS:
            object.__setattr__(self, name, getattr(persona, name))
        object.__setattr__(self, "_note", note)

    def __getattribute__(self, name: str) -> Any:  # noqa: ANN401  # whatever type the field has
        if name in _FIELDS:
            object.__getattribute__(self, "_note")(name)
        return object.__getattribute__(self, name)


class WatchedEvent(Event):
    """An event that calls `note(field)` when its details are read; they are the true ones.

    The details are the owner's data, too: a number, a text, a place. The name is not: a client may
    distinguish a restart from a call.
    """

    __slots__ = ("_note",)
    _note: Callable[[str], None]

    def __init__(self, event: Event, note: Callable[[str], None]) -> None:
        object.__setattr__(self, "name", event.name)
        object.__setattr__(self, "details", event.details)
        object.__setattr__(self, "_note", note)

    def __getattribute__(self, name: str) -> Any:  # noqa: ANN401  # as above
        if name == "details":
            kind = object.__getattribute__(self, "name")
            object.__getattribute__(self, "_note")(f"details of {kind}")
        return object.__getattribute__(self, name)
