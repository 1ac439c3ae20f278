"""The report as SARIF 2.1.0 (OASIS): oracles are rules, findings are results."""

from collections.abc import Iterator
from typing import Any, Final

from client_sim.lab.oracles.finding import Finding
from client_sim.lab.programme.result import CLAIMS, BatteryResult, Matrix
from client_sim.lab.report.covering import Presentable
from client_sim.lab.report.sarif_form import SNIPPET, encode_log, encode_result

_MATRIX_RULES: Final = {
    "survivor": "Is every leak found?",
    "thin": "Is every family of leaks found by two independent oracles, or argued for?",
    "false-alarm": "Are harmless clients and servers left in peace?",
}


def render_sarif(presentable: Presentable) -> str:
    """Render one run."""
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
        is_proven=result.word != "unproven",
        properties={
            "verdict": result.word,
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
        message += f" Made small: {battery.smallest.text}"
    return {
        **encode_result(
            battery.oracle, place, message, finding, finding.offset, len(finding.offending())
        ),
        "properties": {
            "channel": finding.channel,
            "field": finding.field,
            **_other(finding),
        },
    }


def _other(finding: Finding) -> dict[str, Any]:
    if finding.other is None:
        return {}
    other = finding.other[finding.offset : finding.offset + finding.length]
    return {"otherOctets": other[:SNIPPET].hex(" ")}


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
