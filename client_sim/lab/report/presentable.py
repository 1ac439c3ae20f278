"""Reports that may be shown: all texts are printable, and personal values are redacted."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from client_sim.lab.oracles.finding import Finding
from client_sim.lab.programme.result import (
    BatteryResult,
    Matrix,
    MatrixRow,
    ProgrammeResult,
    Report,
    Smallest,
    WallClockRow,
)
from client_sim.lab.report.printable import printable
from client_sim.lab.report.redaction import Redaction
from client_sim.lab.trace.observation import Channel, Departure, Observation

_FINDS_VALUES = "canaries"


@dataclass(frozen=True, slots=True)
class Presentable:
    """A report that may be shown; every renderer requires one, and only `present` makes it."""

    report: Report


def present(report: Report, redaction: Redaction) -> Presentable:
    """Apply the redaction and escape unprintable characters.

    Bytes keep their length, so that offsets remain valid. Randomness and reads of the owner's data
    are removed, because no report shows them.
    """
    presenter = _Presenter(redaction)
    return Presentable(
        replace(
            report,
            result=presenter.result(report.result),
            matrix=None if report.matrix is None else present_matrix(report.matrix),
            wall_clock=None
            if report.wall_clock is None
            else tuple(_wall_clock(row) for row in report.wall_clock),
        )
    )


class _Presenter:
    def __init__(self, redaction: Redaction) -> None:
        self._redaction = redaction

    def text(self, text: str) -> str:
        return printable(self._redaction.text(text))

    def result(self, result: ProgrammeResult) -> ProgrammeResult:
        return replace(
            result,
            client=printable(result.client),
            profile=printable(result.profile),
            scope=printable(result.scope),
            given_up=self.text(result.given_up),
            batteries=tuple(self.battery(battery) for battery in result.batteries),
            sample=self.observation(result.sample),
            fields=tuple(replace(row, field=printable(row.field)) for row in result.fields),
            owners=(),
        )

    def battery(self, battery: BatteryResult) -> BatteryResult:
        return replace(
            battery,
            findings=tuple(
                self.finding(finding, is_value=battery.oracle == _FINDS_VALUES)
                for finding in battery.findings
            ),
            smallest=None if battery.smallest is None else self.smallest(battery.smallest),
        )

    def finding(self, finding: Finding, *, is_value: bool) -> Finding:
        if is_value:
            finding = self._redaction.sighting(finding)
        return Finding(
            where=self.text(finding.where),
            explanation=self.text(finding.explanation),
            data=self._redaction.data(finding.data),
            offset=finding.offset,
            length=finding.length,
            other=None if finding.other is None else self._redaction.data(finding.other),
            channel=finding.channel,
            field=self.text(finding.field),
        )

    def smallest(self, smallest: Smallest) -> Smallest:
        return Smallest(
            tuple(map(printable, smallest.steps)),
            tuple(map(printable, smallest.differing_fields)),
            self.text(smallest.text),
        )

    def observation(self, observation: Observation) -> Observation:
        return replace(
            observation,
            departures=tuple(self._departures(observation)),
            draws=(),
            reads=(),
            received=tuple(map(self._redaction.data, observation.received)),
            far_end=None
            if observation.far_end is None
            else tuple(map(self._redaction.data, observation.far_end)),
            outcomes=tuple(map(self.text, observation.outcomes)),
            failures={
                phase: self.text(sentence) for phase, sentence in observation.failures.items()
            },
        )

    def _departures(self, observation: Observation) -> Iterator[Departure]:
        # A value may be split over several sends, so a connection is redacted as a whole.
        whole = {
            connection.index: self._redaction.data(connection.data)
            for connection in observation.connections()
        }
        done = dict.fromkeys(whole, 0)
        for departure in observation.departures:
            if departure.channel is Channel.BYTES:
                start = done[departure.connection]
                done[departure.connection] += len(departure.data)
                data = whole[departure.connection][start : done[departure.connection]]
            else:
                data = self._redaction.data(departure.data)
            yield replace(departure, phase=printable(departure.phase), data=data)


def present_matrix(matrix: Matrix) -> Matrix:
    """Escape unprintable characters in texts written by authors of clients."""
    return Matrix(
        tuple(map(printable, matrix.oracles)),
        tuple(_rows(matrix.rows)),
        tuple(_rows(matrix.equivalents)),
        {printable(family): printable(why) for family, why in matrix.argued.items()},
        {printable(oracle): printable(how) for oracle, how in matrix.methods.items()},
        matrix.is_sample,
    )


def _rows(rows: Iterable[MatrixRow]) -> Sequence[MatrixRow]:
    return [
        MatrixRow(
            printable(row.id),
            printable(row.family),
            printable(row.leak),
            tuple(map(printable, row.killed_by)),
            tuple(map(printable, row.not_asked)),
        )
        for row in rows
    ]


def _wall_clock(row: WallClockRow) -> WallClockRow:
    return replace(row, test=printable(row.test), smallest_effect=printable(row.smallest_effect))
