"""What a programme found: plain values that the runner fills in and every report reads.

Results of batteries that take their own time are kept in files and shown in a report.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from client_sim.lab.errors import LabError
from client_sim.lab.oracles.finding import Finding
from client_sim.lab.programme.covering import Crossings
from client_sim.lab.trace.observation import Observation
from client_sim.persona import Persona

CLAIMS: Final[Mapping[str, str]] = {
    "N1": "Nothing about the owner changes what leaves the phone.",
    "N2": "All phones in the same public state are one crowd.",
    "N3": "Nothing that a server says comes back.",
    "N4": "When a phone polls follows from fresh randomness alone.",
    "guard": "Watched in every run, whichever claim it was made for.",
}
"""The four claims in a sentence each, and the guards that judge every run."""

CLAIM_NAMES: Final[Mapping[str, str]] = {
    "N1": "The owner changes nothing (N1)",
    "N2": "Phones are one crowd (N2)",
    "N3": "Nothing comes back (N3)",
    "N4": "Chance sets the times (N4)",
    "guard": "Guards",
}
"""What a person calls each key of `CLAIMS`."""
_KIND = TypeVar("_KIND")
_MUTATION: Final = Path(__file__).parents[1] / "oracles" / "mutation.json"


@dataclass(frozen=True, slots=True)
class Smallest:
    """The smallest scenario that still shows a battery's first finding.

    `steps` are those of the scenario, `differing_fields` the fields of the persona (or of the
    server's answers) that still differ, `text` one sentence for a person.
    """

    steps: tuple[str, ...]
    differing_fields: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class BatteryResult:
    """What one oracle said about one client.

    `oracle` is the column of the kill matrix, `claim` a key of `CLAIMS`. `cases` is how often the
    question was asked, `runs`, `polls` and `data` what was examined for it. `count` is how many
    findings there were, of which `findings` holds the first few.
    """

    oracle: str
    claim: str
    question: str
    cases: int
    runs: int
    polls: int
    size: int
    findings: tuple[Finding, ...]
    count: int
    smallest: Smallest | None = None

    @property
    def passed(self) -> bool:
        """Whether nothing was found."""
        return self.count == 0


@dataclass(frozen=True, slots=True)
class FieldEntropy:
    """How much a field revealed over the fleet: `distinct` values, their entropy in `bits`.

    `budget_bits` is what the table in docs/PRIVACY.md allows; `min_k` is how many phones share the
    rarest value.
    """

    field: str
    distinct: int
    bits: float
    budget_bits: float
    min_k: int

    @property
    def is_within(self) -> bool:
        """Whether the field revealed no more than it may."""
        return self.bits <= self.budget_bits


@dataclass(frozen=True, slots=True)
class ProgrammeResult:
    """All that a programme found out about one client.

    `profile` is how much was asked, `scope` says in a few words of what ("the seven events of 2014
    ..."), `runs`, `polls` and `data` count each run once. `sample` is the first run. `intervals`
    are the seconds between polls that the client drew, in the order of their drawing. `owners` are
    personas whose values may stand in findings or in the sample: what a report has to cover.
    `answers_agree` is false when a real server's answers changed meanwhile, so that a difference
    between two phones may be the server's doing. `given_up` says why not all was asked: the result
    is then partial. `crossings` is which conditions met, where that was asked. `installs` is false
    for a client that the lab does not drive through installations.
    """

    client: str
    profile: str
    seed: int
    runs: int
    polls: int
    size: int
    batteries: tuple[BatteryResult, ...]
    sample: Observation
    fields: tuple[FieldEntropy, ...] = ()
    intervals: tuple[float, ...] = ()
    scope: str = ""
    owners: tuple[Persona, ...] = ()
    answers_agree: bool = True
    given_up: str = ""
    crossings: Crossings | None = None
    installs: bool = True

    @property
    def is_clean(self) -> bool:
        """Whether every oracle was asked and kept silent."""
        return not self.given_up and all(battery.passed for battery in self.batteries)

    @property
    def word(self) -> str:
        """The verdict in a word: `unproven` when polls got nowhere or not all was asked."""
        if self.is_clean:
            return "clean"
        return "leak" if {*self.failed()} - {"completes"} else "unproven"

    def failed(self) -> tuple[str, ...]:
        """Name the oracles that found something."""
        return tuple(battery.oracle for battery in self.batteries if not battery.passed)

    def of_claim(self, claim: str) -> tuple[BatteryResult, ...]:
        """List what speaks for or against one claim."""
        return tuple(battery for battery in self.batteries if battery.claim == claim)


@dataclass(frozen=True, slots=True)
class MatrixRow:
    """One leaky client and the oracles that raised an alarm at it.

    `not_asked` are oracles of the matrix that never examined it, which differs from silence: those
    of servers, batteries that it was not meant for, and in a sample all after the first alarms.
    """

    id: str
    family: str
    leak: str
    killed_by: tuple[str, ...]
    not_asked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Matrix:
    """The kill matrix: which oracle finds which leaky client.

    `equivalents` are clients that look leaky and are not. `argued` says, for families that only one
    oracle can find, why that is enough. `methods` says of each oracle how it works: two that work
    alike are not independent, and count as one; an oracle that is not named is a method of its own.
    A sample has one client of each family, and cannot tell in how many ways a family is found.
    """

    oracles: tuple[str, ...]
    rows: tuple[MatrixRow, ...]
    equivalents: tuple[MatrixRow, ...] = ()
    argued: Mapping[str, str] = field(default_factory=dict)
    methods: Mapping[str, str] = field(default_factory=dict)
    is_sample: bool = False

    @property
    def survivors(self) -> tuple[MatrixRow, ...]:
        """The leaky clients that nothing found."""
        return tuple(row for row in self.rows if not row.killed_by)

    @property
    def killers(self) -> Mapping[str, tuple[str, ...]]:
        """The oracles that found any client of a family, by family, in the matrix's order."""
        found: dict[str, set[str]] = {}
        for row in self.rows:
            found.setdefault(row.family, set()).update(row.killed_by)
        return {
            family: tuple(oracle for oracle in self.oracles if oracle in oracles)
            for family, oracles in found.items()
        }

    @property
    def alone(self) -> tuple[str, ...]:
        """The families with fewer than two independent killers; none of a sample."""
        if self.is_sample:
            return ()
        return tuple(
            family
            for family, killers in self.killers.items()
            if len({self.methods.get(oracle, oracle) for oracle in killers}) < 2
        )

    @property
    def thin(self) -> tuple[str, ...]:
        """The families with fewer than two independent killers and no argument for that."""
        return tuple(family for family in self.alone if family not in self.argued)

    @property
    def score(self) -> float:
        """The share of leaky clients that were found, 0 to 1."""
        return 1 - len(self.survivors) / len(self.rows) if self.rows else 0.0

    @property
    def alarmed(self) -> tuple[MatrixRow, ...]:
        """The harmless clients at which something raised an alarm."""
        return tuple(row for row in self.equivalents if row.killed_by)

    @property
    def is_good(self) -> bool:
        """Whether every leak was found, no family is thin, and no harmless client was accused."""
        return not (self.survivors or self.thin or self.alarmed)


@dataclass(frozen=True, slots=True)
class MutationScore:
    """How many changes of the oracles themselves were noticed.

    `survived` changes went unnoticed, of which `argued` are argued to change nothing.
    """

    killed: int
    survived: int
    argued: int

    @property
    def percent(self) -> float:
        """Changes that were noticed, of all, in percent."""
        tried = self.killed + self.survived
        return 100 * self.killed / tried if tried else 0.0


@dataclass(frozen=True, slots=True)
class WallClockRow:
    """One statistical test on real clocks: what it found, and the smallest effect it would see."""

    test: str
    samples: int
    statistic: float
    p_value: float
    alpha: float
    smallest_effect: str

    @property
    def passed(self) -> bool:
        """Whether the test found nothing."""
        return self.p_value >= self.alpha


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that one report shows."""

    result: ProgrammeResult
    matrix: Matrix | None = None
    mutation: MutationScore | None = None
    wall_clock: tuple[WallClockRow, ...] | None = None

    @property
    def is_good(self) -> bool:
        """Whether the client is clean and the instrument that says so can be believed."""
        return (
            self.result.is_clean
            and (self.matrix is None or self.matrix.is_good)
            and all(row.passed for row in self.wall_clock or ())
        )


def encode_clock(rows: tuple[WallClockRow, ...]) -> bytes:
    """Encode the rows of a battery on real clocks as JSON, a line each."""
    lines = (msgspec.json.encode(row) for row in rows)
    return b"[\n" + b",\n".join(lines) + b"\n]\n"


def load_clock(path: Path) -> tuple[WallClockRow, ...]:
    """Read what `encode_clock` made; raise LabError for anything else."""
    return _load(path, tuple[WallClockRow, ...], "lab clock")


def load_mutation(path: Path = _MUTATION) -> MutationScore:
    """Read what `make mutation` wrote, of all judges together; raise LabError for anything else.

    The last result is a part of this package.
    """
    modules = _load(path, _Mutation, "make mutation").modules
    return MutationScore(
        killed=sum(module.killed for module in modules),
        survived=sum(module.survived for module in modules),
        argued=sum(module.argued for module in modules),
    )


class _Module(msgspec.Struct):
    killed: int
    survived: int
    argued: int


class _Mutation(msgspec.Struct):
    modules: tuple[_Module, ...]


def _load(path: Path, kind: type[_KIND], maker: str) -> _KIND:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except msgspec.DecodeError as error:
        raise LabError(f"{path} is not what {maker} writes ({error}): run it again") from error
