"""The report as JSON values; bytes are hexadecimal."""

from dataclasses import asdict
from typing import Any

from client_sim.lab.oracles.finding import Finding
from client_sim.lab.programme.covering import Crossings
from client_sim.lab.programme.result import CLAIMS, BatteryResult, Matrix
from client_sim.lab.report.presentable import Presentable, present_matrix


def report_to_dict(presentable: Presentable) -> dict[str, Any]:
    """Return the whole report."""
    report = presentable.report
    result = report.result
    return {
        "client": result.client,
        "verdict": result.verdict,
        "clean": result.is_clean,
        "good": report.is_good,
        "profile": result.profile,
        "seed": result.seed,
        "scope": result.scope,
        "given_up": result.given_up,
        "installs": result.installs,
        "runs": result.runs,
        "polls": result.polls,
        "octets": result.size,
        "claims": {
            claim: {
                "says": statement,
                "holds": all(battery.passed for battery in result.of_claim(claim)),
                "oracles": [battery.oracle for battery in result.of_claim(claim)],
            }
            for claim, statement in CLAIMS.items()
            if result.of_claim(claim)
        },
        "checks": [_battery_to_dict(battery) for battery in result.batteries],
        "fields": [
            asdict(row) | {"bits": round(row.bits, 6), "budget_bits": round(row.budget_bits, 6)}
            for row in result.fields
        ],
        "crossings": None if result.crossings is None else _crossings_to_dict(result.crossings),
        "intervals": list(result.intervals),
        "outcomes": list(result.sample.outcomes),
        "sample": [
            {"phase": c.phase, "target": c.target.decode("latin-1"), "octets": c.data.hex()}
            for c in result.sample.connections()
        ],
        "matrix": None if report.matrix is None else matrix_to_dict(report.matrix),
        "mutation": None
        if report.mutation is None
        else asdict(report.mutation) | {"percent": round(report.mutation.percent, 2)},
        "wall_clock": None
        if report.wall_clock is None
        else [asdict(row) | {"passed": row.passed} for row in report.wall_clock],
    }


def matrix_to_dict(matrix: Matrix) -> dict[str, Any]:
    """Return the kill matrix."""
    matrix = present_matrix(matrix)
    return {
        "good": matrix.is_good,
        "score": round(matrix.score, 6),
        "oracles": list(matrix.oracles),
        "mutants": [asdict(row) for row in matrix.rows],
        "equivalents": [asdict(row) for row in matrix.equivalents],
        "families": {family: list(killers) for family, killers in matrix.killers.items()},
        "survivors": [row.id for row in matrix.survivors],
        "thin": list(matrix.thin),
        "false_alarms": [row.id for row in matrix.alarmed],
        "argued": dict(matrix.argued),
        "methods": {oracle: matrix.methods.get(oracle, oracle) for oracle in matrix.oracles},
    }


def finding_to_dict(finding: Finding) -> dict[str, Any]:
    """Return one finding."""
    return {
        "where": finding.where,
        "channel": finding.channel,
        "field": finding.field,
        "explanation": finding.explanation,
        "offset": finding.offset,
        "length": finding.length,
        "offending": finding.offending().hex(),
        "octets": finding.data.hex(),
        "other": None if finding.other is None else finding.other.hex(),
    }


def _battery_to_dict(battery: BatteryResult) -> dict[str, Any]:
    return {
        "name": battery.oracle,
        "claim": battery.claim,
        "question": battery.question,
        "passed": battery.passed,
        "cases": battery.cases,
        "runs": battery.runs,
        "polls": battery.polls,
        "octets": battery.size,
        "count": battery.count,
        "findings": [finding_to_dict(finding) for finding in battery.findings],
        "smallest": None if battery.smallest is None else asdict(battery.smallest),
    }


def _crossings_to_dict(crossings: Crossings) -> dict[str, Any]:
    return {
        "factors": {name: list(levels) for name, levels in crossings.factors.items()},
        "coverage": [asdict(coverage) for coverage in crossings.coverages],
    }
