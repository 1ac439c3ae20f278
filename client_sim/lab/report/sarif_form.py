"""SARIF 2.1.0 (OASIS) as code hosts read it, whatever it reports.

Texts must be printable; bytes are snippets of at most 128, readable as hexadecimal.
"""

import hashlib
import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from client_sim.lab.oracles.finding import Finding

SNIPPET: Final = 128
"""Bytes of a snippet."""

_VERSION: Final = "2.1.0"
_SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json"


def encode_log(
    name: str,
    id_parts: Sequence[str],
    rules: Sequence[Mapping[str, Any]],
    results: Sequence[Mapping[str, Any]],
    *,
    is_proven: bool,
    properties: Mapping[str, Any],
) -> str:
    """Write a log of one run; `id_parts` say what was examined, outermost first."""
    run = {
        "tool": {"driver": {"name": "hening lab", "fullName": name, "rules": rules}},
        "automationDetails": {"id": "".join(f"{quote(part)}/" for part in id_parts)},
        "invocations": [{"executionSuccessful": is_proven}],
        "columnKind": "utf16CodeUnits",
        "results": results,
        "properties": properties,
    }
    return json.dumps({"$schema": _SCHEMA, "version": _VERSION, "runs": [run]}, indent=2) + "\n"


def encode_result(
    rule: str, place: int, message: str, finding: Finding, offset: int, length: int
) -> dict[str, Any]:
    """Return a result: the rule by id and place among the rules, and where its bytes stand."""
    return {
        "ruleId": rule,
        "ruleIndex": place,
        "level": "error",
        "message": {"text": message},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": f"trace/{quote(finding.where, safe='')}"},
                    "region": {
                        "byteOffset": offset,
                        "byteLength": length,
                        "snippet": _snippet(finding.offending()),
                    },
                },
                "logicalLocations": [{"name": finding.where, "kind": "member"}],
            }
        ],
        "partialFingerprints": {"finding/v1": _fingerprint(rule, finding, offset)},
    }


def _snippet(data: bytes) -> dict[str, Any]:
    shown = data[:SNIPPET]
    return {
        "binary": b64encode(shown).decode(),
        "rendered": {"text": shown.hex(" ") + (" …" if len(data) > SNIPPET else "")},
    }


def _fingerprint(rule: str, finding: Finding, offset: int) -> str:
    told = "\0".join((rule, finding.where, finding.explanation, str(offset)))
    return hashlib.sha256(told.encode()).hexdigest()
