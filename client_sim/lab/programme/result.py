"""The results of a programme: plain values that the runner fills in and every report reads.

Results of `lab clock` and `make mutation`, which run separately, are read from files.
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
    "N4": "Poll times follow from fresh randomness alone.",
    "guard": "Checked in every run, whatever its claim.",
}
"""The four claims in a sentence each, and the guards that judge every run."""

CLAIM_NAMES: Final[Mapping[str, str]] = {
    "N1": "The owner changes nothing (N1)",
    "N2": "Phones are one crowd (N2)",
    "N3": "Nothing comes back (N3)",
    "N4": "Chance sets the times (N4)",
    "guard": "Guards",
}
"""The title of each key of `CLAIMS` in reports."""
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
    """The result of one oracle for one client.

    `oracle` is the column in the kill matrix and `claim` a key of `CLAIMS`. `cases` is the number
    of cases of the question. `runs`, `polls` and `size` (bytes) count what was examined. `count` is
    the number of findings; `findings` holds the first few.
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
    """How much a field revealed in a fleet: its `distinct` values and their entropy in `bits`.

    `budget_bits` is the limit of the table in docs/PRIVACY.md; `min_k` is the number of phones with
    the rarest value.
    """

    field: str
    distinct: int
    bits: float
    budget_bits: float
    min_k: int

    @property
    def is_within(self) -> bool:
        """Whether the field revealed no more than its budget."""
        return self.bits <= self.budget_bits


@dataclass(frozen=True, slots=True)
class ProgrammeResult:
    """The result of a programme for one client.

    - `profile` is the name of the profile; `scope` describes the examination in a few words.
    - `runs`, `polls` and `size` (bytes) count each run once.
    - `sample` is the first run.
    - `intervals` are the seconds between polls, in the order in which the client drew them.
    - `owners` are personas whose values may occur in findings or in the sample. A report redacts
      them.
    - `answers_agree` is false if a real server's answers changed meanwhile; two phones may then
      differ because of the server.
    - `given_up` is the reason why the examination is incomplete, or empty.
    - `crossings` are the conditions that were combined, if there were any.
    - `installs` is false for a client that the lab cannot drive through installations.
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
        """Whether the examination is complete and no oracle found anything."""
        return not self.given_up and all(battery.passed for battery in self.batteries)

    @property
    def verdict(self) -> str:
        """The verdict: `clean`, `leak`, or `unproven` if polls failed or it is incomplete."""
        if self.is_clean:
            return "clean"
        return "leak" if {*self.failed()} - {"completes"} else "unproven"

    def failed(self) -> tuple[str, ...]:
        """Return the names of the oracles that found something."""
        return tuple(battery.oracle for battery in self.batteries if not battery.passed)

    def of_claim(self, claim: str) -> tuple[BatteryResult, ...]:
        """Return the results for one claim."""
        return tuple(battery for battery in self.batteries if battery.claim == claim)


@dataclass(frozen=True, slots=True)
class MatrixRow:
    """One leaky client and the oracles that found it.

    `not_asked` are oracles of the matrix that never examined it: those of servers, batteries that
    it is not meant for, and in a sample those after the first alarms.
    """

    id: str
    family: str
    leak: str
    killed_by: tuple[str, ...]
    not_asked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Matrix:
    """The kill matrix: which oracle finds which leaky client.

    `equivalents` are clients that look leaky but are not. `argued` gives the reason why a single
    oracle is enough for a family. `methods` names the method of each oracle: oracles with the same
    method count as one, and an oracle without an entry is a method of its own. A sample has one
    client of each family, so it cannot tell how many methods find a family.
    """

    oracles: tuple[str, ...]
    rows: tuple[MatrixRow, ...]
    equivalents: tuple[MatrixRow, ...] = ()
    argued: Mapping[str, str] = field(default_factory=dict)
    methods: Mapping[str, str] = field(default_factory=dict)
    is_sample: bool = False

    @property
    def survivors(self) -> tuple[MatrixRow, ...]:
        """The leaky clients that no oracle found."""
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
    def found_by_one_method(self) -> tuple[str, ...]:
        """The families with fewer than two independent killers; empty for a sample."""
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
        return tuple(family for family in self.found_by_one_method if family not in self.argued)

    @property
    def score(self) -> float:
        """The share of leaky clients that were found, 0 to 1."""
        return 1 - len(self.survivors) / len(self.rows) if self.rows else 0.0

    @property
    def alarmed(self) -> tuple[MatrixRow, ...]:
        """The harmless clients for which an oracle raised an alarm."""
        return tuple(row for row in self.equivalents if row.killed_by)

    @property
    def is_good(self) -> bool:
        """Whether every leak was found, no family is thin, and there was no false alarm."""
        return not (self.survivors or self.thin or self.alarmed)


@dataclass(frozen=True, slots=True)
class MutationScore:
    """The result of mutation testing of the oracles.

    `killed` mutations were noticed by tests and `survived` were not. For `argued` of the latter, an
    argument is recorded that they change nothing.
    """

    killed: int
    survived: int
    argued: int

    @property
    def percent(self) -> float:
        """The percentage of mutations that were noticed."""
        total = self.killed + self.survived
        return 100 * self.killed / total if total else 0.0


@dataclass(frozen=True, slots=True)
class WallClockRow:
    """One statistical test on real clocks: its result, and the smallest effect it can detect."""

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
        """Whether the client is clean and the instrument passed its own tests."""
        return (
            self.result.is_clean
            and (self.matrix is None or self.matrix.is_good)
            and all(row.passed for row in self.wall_clock or ())
        )


def encode_clock(rows: tuple[WallClockRow, ...]) -> bytes:
    """Encode the rows of `lab clock` as JSON, one row per line."""
    lines = (msgspec.json.encode(row) for row in rows)
    return b"[\n" + b",\n".join(lines) + b"\n]\n"


def load_clock(path: Path) -> tuple[WallClockRow, ...]:
    """Read a file written by `lab clock`; raise LabError for any other file."""
    return _load(path, tuple[WallClockRow, ...], "lab clock")


def load_mutation(path: Path = _MUTATION) -> MutationScore:
    """Read the record of `make mutation`, summed over all judges; raise LabError for other files.

    The default is the latest record, which is part of this package.
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
