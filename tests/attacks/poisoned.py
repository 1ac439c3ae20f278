"""Opens `fixtures/poisoned`: servers and phones poisoned under a version without the limits.

`fixtures/poison.py` says how they were made and which files a scenario's folder contains.
"""

import json
import tarfile
from dataclasses import dataclass, replace
from pathlib import Path

from client_sim.device.image import decode_facts, encode_facts

ARCHIVES = Path(__file__).parents[2] / "fixtures" / "poisoned"
SCENARIOS = ("clock", "build-time", "counter", "patch-level")


@dataclass(frozen=True)
class Poisoned:
    """A scenario's folder, and its facts from SCENARIO.json; times are in epoch seconds.

    `facts["moment"]` is when it was made, `facts["port"]` the port at which phones expect their
    server.
    """

    folder: Path
    facts: dict

    @property
    def server(self) -> Path:
        """The server's state folder."""
        return self.folder / "server"

    @property
    def signer(self) -> Path:
        """The honest signers' working folder; it lacks the thief's publications."""
        return self.folder / "signer"

    @property
    def keys(self) -> Path:
        """All offline keys, encrypted with `facts["passphrase"]`."""
        return self.folder / "FIXTURE-ONLY-keys"

    @property
    def token(self) -> str:
        """The API token that may only read, upload and submit; valid for 366 days."""
        return (self.folder / "FIXTURE-ONLY-token").read_text().strip()

    def package(self, number: int) -> Path:
        """Return the OTA zip of build 1, 2, 3 or 4; no role lists build 4 yet."""
        return self.folder / "packages" / f"armani-1.{number}.0-id-full.zip"

    def phone(self, name: str = "poisoned") -> Path:
        """Return the folder of the phone `poisoned` or `honest`."""
        return self.folder / "phones" / name


def open_poisoned(scenario: str, folder: Path) -> Poisoned:
    """Unpack a scenario into `folder`."""
    with tarfile.open(ARCHIVES / f"{scenario}.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    facts = json.loads((ARCHIVES / f"{scenario}.json").read_text(encoding="utf-8"))
    return Poisoned(folder, facts)


def set_port(phone: Path, port: int) -> None:
    """Let a phone use another port of its server."""
    image = phone / "image" / "image.json"
    image.write_bytes(encode_facts(replace(decode_facts(image.read_bytes()), port=port)))
