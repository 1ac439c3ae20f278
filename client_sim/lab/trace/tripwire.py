"""A stand-in for the owner's data that notes every look at it.

A client that gathers before it sends leaves no octet behind while it gathers. The tripwire sees it
all the same: polling has no reason to look, so any read is a finding.
"""

from collections.abc import Callable
from dataclasses import fields
from typing import Any

from client_sim.persona import Persona

_FIELDS = frozenset(field.name for field in fields(Persona))


class Tripwire(Persona):
    """A persona that calls `note(field)` whenever a field is read; the values are the true ones.

    Copying, printing, comparing or encoding it reads every field, and is noted so.
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
