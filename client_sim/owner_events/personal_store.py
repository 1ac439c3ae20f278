"""The owner's data on a phone on disk: `personal/persona.json`, canonical JSON, replaced whole."""

from pathlib import Path
from typing import Final

from client_sim.device.records import replace_file
from client_sim.owner_events.events import OwnerError
from client_sim.persona import PERSONA_LIMIT, Persona, decode_persona, encode_persona

_FILE: Final = "persona.json"


class PersonalStore:
    """The owner's data of the phone in `directory`. Polling code never receives one."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "personal" / _FILE

    def load(self) -> Persona | None:
        """Return the owner's data, None without an owner; raises PersonaError, OSError."""
        try:
            with self._path.open("rb") as file:
                return decode_persona(file.read(PERSONA_LIMIT + 1))
        except FileNotFoundError:
            return None

    def store(self, persona: Persona) -> None:
        """Replace the owner's data, durably; raises OwnerError, OSError."""
        data = encode_persona(persona)
        if len(data) > PERSONA_LIMIT:
            raise OwnerError("The owner has more than a phone here can hold; reset the phone.")
        self._path.parent.mkdir(exist_ok=True)
        replace_file(self._path, data)
