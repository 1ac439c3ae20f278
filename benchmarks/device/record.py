"""All results of a run of the benchmark, as a file."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from benchmarks.device.machine import Machine
from benchmarks.device.report import Report


class Record(msgspec.Struct, frozen=True):
    """The content of a file that `--json` writes; page and plot are made from it."""

    machine: Machine
    rounds: int
    seconds: float
    missing: list[str]
    reports: list[Report]


def save_record(file: Path, record: Record) -> None:
    """Write a record as indented JSON."""
    file.write_bytes(msgspec.json.format(msgspec.json.encode(record)))


def load_records(files: Sequence[Path]) -> Record:
    """Merge the records of several runs; the last report of a scenario is used.

    `rounds` and `seconds` are the minimum of all runs; `missing` has peers missing in every run.
    """
    records = [msgspec.json.decode(file.read_bytes(), type=Record) for file in files]
    reports = {report.name: report for record in records for report in record.reports}
    missing = sorted(set.intersection(*(set(record.missing) for record in records)))
    rounds = min(record.rounds for record in records)
    seconds = min(record.seconds for record in records)
    return Record(records[-1].machine, rounds, seconds, missing, list(reports.values()))
