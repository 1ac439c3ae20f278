"""The material of a programme's cases: phones, servers, and one seed for all random values."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Final

from client_sim.countries import settle
from client_sim.lab.programme.setting import Setting, Transport, leave_unchanged, observe
from client_sim.lab.scenarios.driving import POLL, REBOOT, Scenario
from client_sim.lab.scenarios.generators import idle, random_scenario
from client_sim.lab.scenarios.owners import draw_host, make_lifelike
from client_sim.lab.servers import scripted
from client_sim.lab.servers.contents import CHANGES, SPLITS, Publication, one_by_one
from client_sim.lab.servers.faults_metadata import make_faults
from client_sim.lab.servers.packs import PARTS
from client_sim.lab.servers.repository import Repository
from client_sim.lab.trace.machine import make_machine
from client_sim.lab.trace.memory import Entropy, Responder, is_private
from client_sim.persona import Persona, make_persona
from client_sim.tape import Tape
from client_sim.world import Factory, Public

START: Final = 1_767_225_600.0
"""Epoch seconds of 2026-01-01, the day on which runs begin; the time of day is random."""
HUNDRED_DAYS: Final = 402
"""Polls in a hundred days; long scenarios have this many or more.

No client can know which poll is its last."""

WEEK: Final = 604_800
YEAR: Final = 31_536_000
"""Seconds over which the starts of runs are spread."""
_DAY: Final = 86_400
_FRACTIONS: Final = 64  # parts of a second; a power of two, so that sums are exact
_MORE: Final = 24  # a long scenario has fewer than this many polls beyond a hundred days

Serve = Callable[[], Responder]
History = tuple[Publication, ...]
EVERY_KIND: Final = tuple(PARTS)

_LATER: Final = Scenario("polls around a restart", (*(POLL,) * 40, REBOOT, *(POLL,) * 20))
"""A client that does not follow a change in this scenario counts as one that never does."""

_ROUNDS: Final = 3  # repetitions of all changes, so that versions grow and root chains get longer
_REPOSITORY: Final = Repository(b"lab")
FAULTS: Final = make_faults(_REPOSITORY)
"""All faults of a testbed's servers."""


@dataclass(frozen=True, slots=True)
class Testbed:
    """The phones of every public tuple, and the servers that they may poll.

    - Runs begin at `start` (epoch seconds) or up to `spread` seconds later.
    - `private` is the name of an update server with private addresses.
    - `only` makes the server of every run, if there is one; none of the others is then used.
    - `upstream` is the address of a real server that is polled instead of these.
    """

    seed: int
    publics: tuple[Public, ...]
    private: str
    start: float = START
    spread: int = YEAR
    only: Serve | None = None
    upstream: str | None = None

    def quiet(self) -> Responder:
        """Return a server that never publishes anything new."""
        return self.publishing(())()

    def changing(self, number: int) -> Serve:
        """Publish another change before each poll, starting with change `number`."""
        first = number % len(CHANGES)
        return self.publishing(one_by_one((CHANGES[first:] + CHANGES[:first]) * _ROUNDS))

    def splitting(self, number: int) -> Serve:
        """Publish 0 to 2 changes, then split `latest` into 4 and later 16 parts, or only into 16.

        There are six orders.
        """
        first = SPLITS[3:] if number % 6 >= 3 else SPLITS
        return self.publishing(one_by_one((*CHANGES[: number % 3], *first)))

    def publishing(self, history: History) -> Serve:
        """Publish the given history."""
        return self.only or partial(_REPOSITORY.serve, history)

    def stocked(self, history: History, kinds: tuple[str, ...]) -> Serve:
        """Publish the given history, with packs of these kinds."""
        return self.only or partial(_stock(kinds).serve, history)

    def tape(self, oracle: str, number: int) -> Tape:
        """Return the random values of one case: the same for the same seed."""
        return Tape(f"{self.seed} {oracle} {number}".encode())

    def setting(
        self,
        scenario: Scenario,
        *,
        public: Public | None = None,
        is_secure: bool = False,
        is_private: bool = False,
        personal: Persona | None = None,
        entropy: Entropy | None = None,
        start: float | None = None,
        serve: Serve | None = None,
        adapt: Callable[[Factory], Factory] = leave_unchanged,
    ) -> Setting:
        """Return a setting with the testbed's defaults for all omitted arguments.

        The machine is derived from `entropy`, so each case and each phone of a fleet has its own.
        Unless there is an `upstream` server, the phone uses TLS if `is_secure`, and its server has
        private addresses if `is_private`, because a client can see both. In memory nothing is
        encrypted, so every byte is judged as usual.
        """
        entropy = Entropy(b"%d" % self.seed) if entropy is None else entropy
        public = self.publics[0] if public is None else public
        if self.upstream is None:
            public = secure(public) if is_secure else public
            public = replace(public, host=self.private) if is_private else public
        return Setting(
            public,
            self.owner(0) if personal is None else personal,
            entropy,
            self.start if start is None else start,
            self.quiet if serve is None else serve,
            scenario,
            transport=Transport.MEMORY if self.upstream is None else Transport.SOCKETS,
            upstream=self.upstream,
            adapt=adapt,
            machine=make_machine(entropy.seed),
        )

    def long_setting(self, number: int) -> Setting:
        """Return the setting of a hundred days full of events.

        Calls with the same number return the same object, so that its run is made only once.
        The first two of each four numbers use TLS.
        """
        return _long_setting(self, number)

    def owner(self, number: int) -> Persona:
        """Return the owner of this seed and number; consecutive numbers live in other countries."""
        persona = make_persona(f"{self.seed} owner {number}".encode())
        return settle(make_lifelike(persona), number)


def secure(public: Public) -> Public:
    """Return the phone with a server that uses TLS."""
    return replace(public, tls=True, port=443)


def plan_testbed(factory: Factory, seed: int) -> Testbed:
    """Choose the servers for a client; for one that never follows a change, servers without any.

    A client that does not follow in its first poll is also observed in later polls, over TLS and
    after a restart. A client that never follows sends only the first requests of a poll. What it
    would have to fetch next is not examined.
    """
    tape = Tape(f"{seed} ground".encode())
    host = _draw_host(tape, is_inside=False)
    testbed = Testbed(
        seed,
        tuple(replace(public, host=host) for public in _REPOSITORY.publics()),
        private=_draw_host(tape, is_inside=True),
        start=START + tape.below(_DAY * _FRACTIONS) / _FRACTIONS,
    )
    settings = (testbed.setting(idle(1)), testbed.setting(_LATER, is_secure=True))
    if any(_follows(factory, setting) for setting in settings):
        return testbed
    return replace(testbed, only=lambda: scripted.respond)


def _draw_host(tape: Tape, *, is_inside: bool) -> str:
    """Draw the name of an update server with private addresses, or with public ones."""
    while is_private(host := draw_host(tape)) != is_inside:
        pass
    return host


def _follows(factory: Factory, setting: Setting) -> bool:
    observation = observe(factory, setting)
    return any(b".snapshot.json" in connection.data for connection in observation.connections())


@lru_cache(maxsize=64)
def _long_setting(testbed: Testbed, number: int) -> Setting:
    tape = testbed.tape("long life", number)
    return testbed.setting(
        random_scenario(tape, HUNDRED_DAYS + tape.below(_MORE)),
        is_secure=number % 4 < 2,
        personal=testbed.owner(number),
        entropy=Entropy(b"long %d" % number),
    )


@lru_cache(maxsize=16)
def _stock(kinds: tuple[str, ...]) -> Repository:
    return Repository(b"lab", kinds=kinds)
