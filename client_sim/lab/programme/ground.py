"""What batteries build their cases from: phones, servers, and one seed for everything drawn."""

from collections.abc import Callable
from dataclasses import dataclass

from client_sim.lab.programme.setting import Setting
from client_sim.lab.scenarios.driving import Scenario
from client_sim.lab.trace.entropy import Entropy
from client_sim.lab.trace.memory import Responder
from client_sim.persona import Persona, make_persona
from client_sim.tape import Tape
from client_sim.world import Public

START = 1_767_225_600.0
"""Epoch seconds at which runs begin: 2026-01-01."""

Serve = Callable[[], Responder]


@dataclass(frozen=True, slots=True)
class Ground:
    """The phones of every public tuple and the servers that they may meet.

    `quiet` never has anything new; `changing` publishes between polls, for clients that follow.
    """

    seed: int
    publics: tuple[Public, ...]
    quiet: Serve
    changing: Serve

    def tape(self, oracle: str, number: int) -> Tape:
        """Give the random values of one case: the same for the same seed."""
        return Tape(f"{self.seed} {oracle} {number}".encode())

    def setting(
        self,
        scenario: Scenario,
        *,
        public: Public | None = None,
        personal: Persona | None = None,
        entropy: Entropy | None = None,
        start: float = START,
        serve: Serve | None = None,
    ) -> Setting:
        """Make a setting in which everything that is not named is the ground's usual."""
        return Setting(
            self.publics[0] if public is None else public,
            self.owner(0) if personal is None else personal,
            Entropy(b"%d" % self.seed) if entropy is None else entropy,
            start,
            self.quiet if serve is None else serve,
            scenario,
        )

    def owner(self, number: int) -> Persona:
        """Make an owner that is the same for the same seed."""
        return make_persona(f"{self.seed} owner {number}".encode())
