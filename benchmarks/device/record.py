"""Everything that a run of the benchmark saw, as a file."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from benchmarks.device.machine import Machine
from benchmarks.device.report import Report


class Record(msgspec.Struct, frozen=True):
    """What `--json` writes, and what page and plot are made from."""

    machine: Machine
    rounds: int
    seconds: float
    missing: list[str]
    reports: list[Report]


def save_record(file: Path, record: Record) -> None:
    """Write a record, for people to read too."""
    file.write_bytes(msgspec.json.format(msgspec.json.encode(record)))


def load_records(files: Sequence[Path]) -> Record:
    """Return the records of several runs as one; of a scenario the last one counts.

    Its rounds and seconds are the fewest of them, and missing is what none of them had.
    """
    records = [msgspec.json.decode(file.read_bytes(), type=Record) for file in files]
    reports = {report.name: report for record in records for report in record.reports}
    missing = sorted(set.intersection(*(set(record.missing) for record in records)))
    rounds = min(record.rounds for record in records)
    seconds = min(record.seconds for record in records)
    return Record(records[-1].machine, rounds, seconds, missing, list(reports.values()))
