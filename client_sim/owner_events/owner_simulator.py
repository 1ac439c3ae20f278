"""Applies events to a phone on disk: changes its owner's data and notifies its apps.

The owner's data is the file `personal/persona.json`: canonical JSON, replaced atomically.
"""

from pathlib import Path
from typing import Final

from client_sim.device.phone import Phone
from client_sim.device.records import replace_file
from client_sim.device.reset import reset_phone
from client_sim.owner_events.events import Kind, OwnerError, apply_event
from client_sim.persona import PERSONA_LIMIT, Persona, decode_persona, encode_persona
from client_sim.tape import Tape
from client_sim.world import Event

_FILE: Final = "persona.json"


class PersonalStore:
    """The owner's data of the phone in `directory`. Polling code never receives one."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "personal" / _FILE

    def load(self) -> Persona | None:
        """Return the owner's data, or None without an owner; raises PersonaError, OSError."""
        try:
            with self._path.open("rb") as file:
                return decode_persona(file.read(PERSONA_LIMIT + 1))
        except FileNotFoundError:
            return None

    def store(self, persona: Persona) -> None:
        """Replace the owner's data, durably; raises OwnerError, OSError."""
        data = encode_persona(persona)
        if len(data) > PERSONA_LIMIT:
            raise OwnerError("The owner's data is too large for a phone; reset the phone.")
        self._path.parent.mkdir(exist_ok=True)
        replace_file(self._path, data)


class OwnerSimulator:
    """The events of the phone in `directory`, generated from `tape`.

    `owner` becomes the owner of a phone that has none. Raises OwnerError if neither exists,
    PersonaError if the data cannot be read.
    """

    def __init__(self, directory: Path, phone: Phone, tape: Tape, owner: Persona | None) -> None:
        self._directory = directory
        self._phone = phone
        self._tape = tape
        self._store = PersonalStore(directory)
        found = self._store.load() or owner
        if found is None:
            raise OwnerError(f"{directory} has no owner yet; give --owner a seed.")
        self._persona = found

    def apply_event(self, kind: Kind, now: int) -> Event:
        """Apply one event at epoch seconds `now` and return the event that apps receive.

        Raises DeviceError if a reboot or a reset fails, OwnerError, OSError.
        """
        self._persona, event = apply_event(kind, self._persona, self._tape, now)
        if kind is Kind.FACTORY_RESET:
            # The owner's remaining data is not on the phone until the next event stores it.
            reset_phone(self._directory)
        else:
            self._store.store(self._persona)
        if kind is Kind.REBOOT:
            self._phone.reboot(is_healthy=lambda _build: True)
        self._phone.notify(event)
        return event
