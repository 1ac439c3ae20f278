"""The report as SARIF 2.1.0 (OASIS): oracles are rules, findings are results.

Code hosts read this format. Other reports use these functions, too. Texts must be printable.
"""

import hashlib
import json
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from client_sim.lab.oracles.finding import Finding
from client_sim.lab.programme.result import CLAIMS, BatteryResult, Matrix
from client_sim.lab.report.presentable import Presentable

_SNIPPET: Final = 128  # bytes shown as hexadecimal
_VERSION: Final = "2.1.0"
_SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json"
_MATRIX_RULES: Final = {
    "survivor": "Is every leak found?",
    "thin": "Is every family of leaks found by two independent oracles, or is there a reason?",
    "false-alarm": "Do harmless clients and servers raise no alarm?",
}


def render_sarif(presentable: Presentable) -> str:
    """Render a report as a log of one run."""
    report = presentable.report
    result = report.result
    rules = [_rule(battery) for battery in result.batteries]
    results = [
        _result(battery, place, finding)
        for place, battery in enumerate(result.batteries)
        for finding in battery.findings
    ]
    if report.matrix is not None:
        results += _matrix_results(report.matrix, len(rules))
        rules += [
            {"id": name, "shortDescription": {"text": says}} for name, says in _MATRIX_RULES.items()
        ]
    return encode_log(
        f"hening lab, profile {result.profile}, seed {result.seed}",
        (result.client, result.profile),
        rules,
        results,
        is_proven=result.verdict != "unproven",
        properties={
            "verdict": result.verdict,
            "runs": result.runs,
            "polls": result.polls,
            "octets": result.size,
        },
    )


def _rule(battery: BatteryResult) -> dict[str, Any]:
    return {
        "id": battery.oracle,
        "shortDescription": {"text": battery.question},
        "fullDescription": {"text": CLAIMS.get(battery.claim, battery.question)},
        "defaultConfiguration": {"level": "error"},
        "properties": {"claim": battery.claim, "cases": battery.cases, "count": battery.count},
    }


def _result(battery: BatteryResult, place: int, finding: Finding) -> dict[str, Any]:
    message = f"{finding.where}: {finding.explanation}"
    if battery.smallest is not None:
        message += f" Minimised: {battery.smallest.text}"
    return {
        **encode_result(
            battery.oracle, place, message, finding, finding.offset, len(finding.offending())
        ),
        "properties": {"channel": finding.channel, "field": finding.field, **_other(finding)},
    }


def _other(finding: Finding) -> dict[str, Any]:
    if finding.other is None:
        return {}
    other = finding.other[finding.offset : finding.offset + finding.length]
    return {"otherOctets": other[:_SNIPPET].hex(" ")}


def _matrix_results(matrix: Matrix, first: int) -> Iterator[dict[str, Any]]:
    wrong = {
        "survivor": [f"{row.id} ({row.family}) survived: {row.leak}" for row in matrix.survivors],
        "thin": [f"{family} has fewer than two independent killers" for family in matrix.thin],
        "false-alarm": [f"{row.id}: {', '.join(row.killed_by)}" for row in matrix.alarmed],
    }
    for place, (name, sentences) in enumerate(wrong.items(), first):
        for sentence in sentences:
            yield {
                "ruleId": name,
                "ruleIndex": place,
                "level": "error",
                "message": {"text": sentence},
            }


def encode_log(
    name: str,
    id_parts: Sequence[str],
    rules: Sequence[Mapping[str, Any]],
    results: Sequence[Mapping[str, Any]],
    *,
    is_proven: bool,
    properties: Mapping[str, Any],
) -> str:
    """Return a log of one run; `id_parts` identify what was examined, outermost first."""
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
    """Return a result: the id and index of its rule, and the position of its bytes."""
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
    snippet = data[:_SNIPPET]
    return {
        "binary": b64encode(snippet).decode(),
        "rendered": {"text": snippet.hex(" ") + (" …" if len(data) > _SNIPPET else "")},
    }


def _fingerprint(rule: str, finding: Finding, offset: int) -> str:
    identity = "\0".join((rule, finding.where, finding.explanation, str(offset)))
    return hashlib.sha256(identity.encode()).hexdigest()
