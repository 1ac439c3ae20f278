"""The server's online public keys, which `hening-server init` writes and the ceremony reads.

Canonical JSON: `{"keys":{"latest":HEX,"log":VKEY,"snapshot":HEX,"timestamp":HEX},"schema":1}`.
"""

from dataclasses import dataclass
from typing import Any

from server.core.encodings import decode_canonical_json
from server.core.errors import FormatError, HeningError
from server.core.note import VerifierKey, decode_verifier_key
from server.core.profile import check_point
from signer.errors import CeremonyError

MAX_ONLINE_KEYS = 4096
_NAMES = {"latest", "log", "snapshot", "timestamp"}


@dataclass(frozen=True, slots=True)
class OnlineKeys:
    """Public halves: 64 hex digits for each online role, and the verifier key of the log."""

    latest: str
    snapshot: str
    timestamp: str
    log: VerifierKey


def decode_online_keys(data: bytes) -> OnlineKeys:
    """Read `public.json`; CeremonyError for a malformed file and for a key that is not sound."""
    try:
        return _decode(data)
    except HeningError as error:
        raise CeremonyError(
            f"The file of online keys cannot be used: {str(error).removesuffix('.')};"
            " give the public.json that `hening-server init` made."
        ) from error


def _decode(data: bytes) -> OnlineKeys:
    value: Any = decode_canonical_json(data, limit=MAX_ONLINE_KEYS)
    if (
        not isinstance(value, dict)
        or set(value) != {"keys", "schema"}
        or type(value["schema"]) is not int  # `true` equals 1
        or value["schema"] != 1
    ):
        raise FormatError("it is not an object with `keys` and schema 1.")
    keys = value["keys"]
    if (
        not isinstance(keys, dict)
        or set(keys) != _NAMES
        or not all(isinstance(key, str) for key in keys.values())
    ):
        raise FormatError("it must name latest, log, snapshot and timestamp.")
    for name in ("latest", "snapshot", "timestamp"):
        check_point(keys[name])
    log = decode_verifier_key(keys["log"])
    _check_distinct({**keys, "log": log.public.hex()})
    return OnlineKeys(keys["latest"], keys["snapshot"], keys["timestamp"], log)


def _check_distinct(keys: dict[str, str]) -> None:
    # What one of them signs could otherwise be taken for what another did.
    seen: dict[str, str] = {}
    for name, public in sorted(keys.items()):
        other = seen.setdefault(public, name)
        if other != name:
            raise FormatError(f"{other} and {name} are one key.")
