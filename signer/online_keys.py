"""The server's online public keys, which `hening-server init` writes and the ceremony reads.

Canonical JSON: `{"keys":{"latest":HEX,"log":VKEY,"snapshot":HEX,"timestamp":HEX},"schema":1}`.
"""

from dataclasses import dataclass
from typing import Any

from server.core.encodings import decode_canonical_json
from server.core.note import VerifierKey, decode_verifier_key
from server.core.profile import check_point
from signer.errors import CeremonyError, refusing

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
    with refusing(CeremonyError):
        value: Any = decode_canonical_json(data, limit=MAX_ONLINE_KEYS)
        if not isinstance(value, dict) or set(value) != {"keys", "schema"} or value["schema"] != 1:
            raise CeremonyError("The file of online keys is not of schema 1; make it anew.")
        keys = value["keys"]
        if (
            not isinstance(keys, dict)
            or set(keys) != _NAMES
            or not all(isinstance(key, str) for key in keys.values())
        ):
            raise CeremonyError(
                "The file of online keys must name latest, log, snapshot and timestamp;"
                " take the one that `hening-server init` wrote."
            )
        for name in ("latest", "snapshot", "timestamp"):
            check_point(keys[name])
        return OnlineKeys(
            keys["latest"], keys["snapshot"], keys["timestamp"], decode_verifier_key(keys["log"])
        )
