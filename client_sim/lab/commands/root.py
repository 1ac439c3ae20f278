"""The TUF root that a phone ships with; the lab checks only that it is root metadata."""

import json
from pathlib import Path
from typing import Final

from client_sim.lab.errors import LabError

_LIMIT: Final = 512_000  # bytes; FORMATS section 2


def load_root(path: Path) -> bytes:
    """Read a TUF root; raise LabError for any other file. The phone checks its signatures."""
    with path.open("rb") as file:
        data = file.read(_LIMIT + 1)
    if not is_root(data):
        raise LabError(f"{path} is no TUF root: give the 1.root.json that the phone ships with")
    return data


def is_root(data: bytes) -> bool:
    """Whether these bytes are root metadata: of that type, with a version, keys and roles."""
    if len(data) > _LIMIT:
        return False
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return False
    signed = value.get("signed") if isinstance(value, dict) else None
    return (
        isinstance(signed, dict)
        and isinstance(value.get("signatures"), list)
        and signed.get("_type") == "root"
        and isinstance(signed.get("version"), int)
        and isinstance(signed.get("keys"), dict)
        and isinstance(signed.get("roles"), dict)
    )
