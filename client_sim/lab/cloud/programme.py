"""The examination of a cloud client by all methods, and the kill matrix of leaky ones."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from typing import Final

from client_sim.lab.clients.loading import import_attribute
from client_sim.lab.cloud import judges
from client_sim.lab.cloud.explanation import ExplainedRequest, explain_all
from client_sim.lab.cloud.independence import examine_boundaries, examine_independence
from client_sim.lab.cloud.keyring import Keyring
from client_sim.lab.cloud.leaks import FAMILIES, HARMLESS, LEAKS, Leak
from client_sim.lab.cloud.lying_servers import LIES, examine_lies
from client_sim.lab.cloud.phone import Factory, OurPhone, Step
from client_sim.lab.cloud.scenarios import (
    BUSY_TIMES,
    CONTACTS,
    EVERYTHING,
    IDLE_TIMES,
    NO_ACCOUNT,
    CloudRun,
    CloudScenario,
    make_owner,
    run_scenario,
)
from client_sim.lab.cloud.tampering import make_leaky
from client_sim.lab.errors import ClientNotFoundError
from client_sim.lab.oracles.finding import Finding
from client_sim.lab.programme.result import Matrix, MatrixRow
from client_sim.lab.programme.runner import Mapper
from client_sim.lab.trace.observation import Channel
from client_sim.tape import Tape

_FINDINGS_LIMIT: Final = 4  # findings of a method in one case; the method stops after these

OnProgress = Callable[[str, int, int], None]
"""Receives progress: the kind of work, how much of it is done, and the total."""

CLAIMS: Final = {
    "C0": "off is silent",
    "C1": "polls do not notice",
    "C2": "only what is on",
    "C3": "every byte is explained",
    "C4": "keys stay",
    "C5": "no nonce twice",
    "C7": "the server cannot lie",
    "C8": "times are draws",
    "law": "the phone does what the owner asked",
}
"""The claims about a client; C6 is about a server."""

METHODS: Final[Mapping[str, tuple[str, str]]] = {
    "silence": ("C0", "Does nothing leave while no type is on and the owner requests nothing?"),
    "off": ("C0", "If it is turned off at any boundary of a request, does no byte follow?"),
    "ended": ("C0", "Is the owner told that the sync ended there?"),
    "beside": ("C1", "Are polls equal to byte and second: never on, on, busy, failing, off again?"),
    "polls": ("C1", "Is every poll during a backup allowed by the request table of polls?"),
    "equal": ("C2", "Do owners who differ in everything but contacts send the same bytes?"),
    "explained": (
        "C3",
        "Is each byte in the table, or decrypted by the owner's keys to what is on?",
    ),
    "shape": ("C3", "Do owners of equal shape send equal lengths, in equal order, at equal times?"),
    "apart": ("C3", "Do two accounts with the same records have no value in common?"),
    "canaries": ("C4", "Is no planted value, key, password or word found, in 50 encodings?"),
    "fresh": ("C4", "Does each random value come from a draw of its own?"),
    "nonces": ("C5", "Is no nonce used twice with the same key, on two devices, over restarts?"),
    "told": ("C7", "Is each lie refused, or reported in a sentence?"),
    "kept": ("C7", "Is nothing of a lie kept?"),
    "answered": ("C7", "Is nothing sent after a lie?"),
    "salts": ("C7", "Is the main key derived only from the owner's own salt?"),
    "range": ("C8", "Is the next sync always 4 to 8 hours away?"),
    "steady": ("C8", "Are times the same for all owners and all changes?"),
    "drawn": ("C8", "Are times different with other randomness?"),
    "duties": ("law", "Does each step send the request that it needs?"),
    "state": ("law", "Does the server have the accounts, devices and consents of the owner?"),
}
"""The claim and the question of each method."""


@dataclass
class Examination:
    """The findings about one client by method; `cases` counts cases by method."""

    findings: dict[str, list[Finding]] = field(default_factory=dict)
    cases: Counter[str] = field(default_factory=Counter)
    runs: int = 0
    requests: int = 0
    size: int = 0
    sample: tuple[ExplainedRequest, ...] = ()

    @property
    def killed_by(self) -> tuple[str, ...]:
        """The methods that found something, in the order of `METHODS`."""
        return tuple(method for method in METHODS if self.findings.get(method))

    @property
    def is_clean(self) -> bool:
        """Whether every method was applied and found nothing."""
        return not self.killed_by and self.cases.keys() >= METHODS.keys()


class _Pair:
    """The runs of one case, made when they are needed."""

    def __init__(self, factory: Factory, examination: Examination, number: int, seed: int) -> None:
        self._factory = factory
        self._examination = examination
        self._name = f"{seed} {number}"
        self._seed = f"{seed} {number}".encode()

    def _run_scenario(
        self,
        owner: str,
        steps: tuple[Step, ...],
        *,
        other: bool = False,
        contacts: str = "",
        long: bool = False,
    ) -> CloudRun:
        persona = make_owner(f"{self._name} {owner}", contacts=contacts, long=long)
        if owner == "b":  # so that these fields are not equal by chance
            persona = replace(persona, locale="x-other", carrier="Other", time_zone="Etc/UTC")
        seed = self._seed + b" other" * other
        model = "armani" if owner == "a" else "cancro"
        run = run_scenario(
            self._factory,
            CloudScenario(persona, steps, seed, model if steps is CONTACTS else "armani"),
        )
        self._examination.runs += 1
        self._examination.requests += len(run.exchanges)
        self._examination.size += sum(len(each.data) for each in run.departures(Channel.BYTES))
        return run

    @cached_property
    def contacts(self) -> tuple[CloudRun, list[ExplainedRequest], Keyring]:
        """The scenario `CONTACTS`, with its opened requests and keys."""
        run = self._run_scenario("a", CONTACTS)
        return run, *explain_all(run)

    @cached_property
    def everything(self) -> tuple[CloudRun, list[ExplainedRequest], Keyring]:
        """The scenario `EVERYTHING`, with its opened requests and keys."""
        run = self._run_scenario("a", EVERYTHING)
        return run, *explain_all(run)

    def judge(self) -> Iterator[tuple[str, Iterator[Finding]]]:
        """Yield each method's findings of this case; cheap ones first."""
        yield "silence", judges.judge_silence(self._run_scenario("a", NO_ACCOUNT))
        yield from _judge_run(*self.contacts)
        b = self._run_scenario("b", CONTACTS, contacts=f"{self._name} a")
        yield "equal", judges.judge_equal(self.contacts[0], b)
        yield from _judge_run(*self.everything)  # not run if the caller has enough findings
        p = self.everything[0]
        yield "apart", judges.judge_apart(p, self._run_scenario("a", EVERYTHING, other=True))
        yield "shape", judges.judge_shape(p, self._run_scenario("q", EVERYTHING, long=True))
        idle = self._run_scenario("a", IDLE_TIMES)
        yield "range", judges.judge_range(idle)
        yield "steady", judges.judge_steady(idle, self._run_scenario("b", BUSY_TIMES))
        yield "drawn", judges.judge_drawn(idle, self._run_scenario("a", IDLE_TIMES, other=True))
        for run, _, ring in (self.everything, self.contacts):
            yield "canaries", judges.judge_canaries(run, ring)


def _judge_run(
    run: CloudRun, explained: list[ExplainedRequest], ring: Keyring
) -> Iterator[tuple[str, Iterator[Finding]]]:
    """Yield the findings of each method that needs only one scenario."""
    yield "silence", judges.judge_silence(run)
    yield "explained", judges.judge_explained(run, explained, ring)
    yield "duties", judges.judge_duties(run)
    yield "state", judges.judge_state(run)
    yield "nonces", judges.judge_nonces(ring)
    yield "fresh", judges.judge_fresh(run, ring)


def load_client(name: str) -> Factory:
    """Return the factory of `clean`, of a leaky client's id, or of `package.module:factory`.

    Raise ClientNotFoundError if there is none.
    """
    if name == "clean":
        return OurPhone
    for leak in (*LEAKS, *HARMLESS):
        if leak.id == name:
            return make_leaky(leak)
    if ":" not in name:
        raise ClientNotFoundError(
            f"there is no cloud client {name}: say clean, a leaky client's id, or"
            " package.module:factory"
        )
    found = import_attribute(name)
    if not callable(found):
        raise ClientNotFoundError(f"the client {name} is not a factory: it cannot be called")
    factory: Factory = found
    return factory


def examine(
    factory: Factory,
    *,
    seed: int = 0,
    cases: int = 1,
    stride: int = 1,
    parts: frozenset[str] = frozenset({"boundaries", "beside", "lies"}),
    enough: int | None = None,
    on_progress: OnProgress = lambda *_: None,
) -> Examination:
    """Examine a client with `cases` pairs of owners and every `stride`th boundary of a request.

    With `enough`, stop when that many methods have found something.
    """
    examination = Examination()
    for method, findings in _judge_all(
        factory, examination, seed, cases, stride, parts, enough, on_progress
    ):
        examination.cases[method] += 1
        if findings:
            examination.findings.setdefault(method, []).extend(findings[:_FINDINGS_LIMIT])
        if enough is not None and len(examination.killed_by) >= enough:
            break
    return examination


def _judge_all(
    factory: Factory,
    examination: Examination,
    seed: int,
    cases: int,
    stride: int,
    parts: frozenset[str],
    enough: int | None,
    on_progress: OnProgress,
) -> Iterator[tuple[str, list[Finding]]]:
    """Yield each method's findings, cheap ones first."""
    if "lies" in parts:
        methods = ("told", "kept", "answered", "salts")
        yield from _sort(examine_lies(factory, LIES), methods, enough)
    if "beside" in parts:
        yield from _sort(examine_independence(factory), ("beside", "polls"), enough)
    for number in range(cases):
        pair = _Pair(factory, examination, number, seed)
        for method, found in pair.judge():
            yield method, list(islice(found, _FINDINGS_LIMIT))
        if not examination.sample:
            examination.sample = tuple(pair.contacts[1])
        on_progress("owners", number + 1, cases)
    if "boundaries" in parts:
        yield from _sort(examine_boundaries(factory, stride), ("off", "ended"), enough)


def _sort(
    found: Iterator[tuple[str, Finding]], methods: Sequence[str], enough: int | None
) -> Iterator[tuple[str, list[Finding]]]:
    """Group findings by method, for methods that run together.

    With `enough`, stop when that many of them have found something.
    """
    by_method: dict[str, list[Finding]] = {method: [] for method in methods}
    for method, finding in found:
        by_method[method].append(finding)
        if sum(map(bool, by_method.values())) == enough:
            break
    yield from by_method.items()


_PARTS: Final = {"off": "boundaries", "trust": "lies", "links": "beside"}
_STRIDE: Final = 7  # for a leaky client, every seventh of about 60 boundaries is tried


def try_leak(leak: Leak, seed: int, enough: int | None) -> Examination:
    """Examine one client of the table of leaks."""
    parts = frozenset(filter(None, [_PARTS.get(leak.family)]))
    return examine(make_leaky(leak), seed=seed, stride=_STRIDE, parts=parts, enough=enough)


def run_matrix(
    mapper: Mapper, seed: int, *, quick: bool, on_progress: OnProgress = lambda *_: None
) -> Matrix:
    """Test the instrument on leaky and harmless clients; with `quick`, on one leaky per family."""
    leaks = list(LEAKS)
    if quick:
        leaks = [
            Tape(f"{seed} cloud {family}".encode()).pick([e for e in LEAKS if e.family == family])
            for family in FAMILIES
        ]
    every = [*leaks, *(() if quick else HARMLESS)]
    enough = 2 if quick else None
    calls = [(leak, seed, None if leak.family == "clean" else enough) for leak in every]
    rows: list[MatrixRow] = []
    for number, (leak, found) in enumerate(zip(every, mapper.map(try_leak, calls), strict=True), 1):
        not_asked = tuple(method for method in METHODS if method not in found.cases)
        rows.append(MatrixRow(leak.id, leak.family, leak.description, found.killed_by, not_asked))
        on_progress("leaky clients", number, len(every))
    leaky = tuple(row for row in rows if row.family != "clean")
    harmless = tuple(row for row in rows if row.family == "clean")
    return Matrix(tuple(METHODS), leaky, harmless, is_sample=quick)


def list_thin(matrix: Matrix) -> list[str]:
    """Return the leaky clients that fewer than two methods found."""
    return [row.id for row in matrix.rows if len(row.killed_by) < 2]
