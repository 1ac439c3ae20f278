"""Applies events to a phone on disk: changes its owner's data and notifies its apps."""

from pathlib import Path

from client_sim.device.phone import Phone
from client_sim.device.reset import reset_phone
from client_sim.owner_events.events import Kind, OwnerError, apply_event
from client_sim.owner_events.personal_store import PersonalStore
from client_sim.persona import Persona
from client_sim.tape import Tape
from client_sim.world import BuildFacts, Event


class OwnerSimulator:
    """The events of the phone in `directory`, generated from `tape`.

    `owner` becomes the owner of a phone without one. Raises OwnerError if there is still none,
    PersonaError if the data cannot be read.
    """

    def __init__(self, directory: Path, phone: Phone, tape: Tape, owner: Persona | None) -> None:
        self._directory = directory
        self._phone = phone
        self._tape = tape
        self._store = PersonalStore(directory)
        found = self._store.load() or owner
        if found is None:
            raise OwnerError(f"{directory} has no owner yet; give --owner a number for one.")
        self._persona = found

    def apply_event(self, kind: Kind, now: int) -> Event:
        """Apply one event at epoch seconds `now` and return the event that apps receive.

        Raises DeviceError if a reboot or a reset fails, OwnerError, OSError.
        """
        self._persona, event = apply_event(kind, self._persona, self._tape, now)
        if kind is Kind.FACTORY_RESET:
            # The remaining data is not on the phone until the owner sets it up again.
            reset_phone(self._directory)
        else:
            self._store.store(self._persona)
        if kind is Kind.REBOOT:
            self._phone.reboot(is_healthy=_starts)
        self._phone.notify(event)
        return event


def _starts(_build: BuildFacts) -> bool:
    return True
