"""All that a run depends on beside the client: what is varied, and what is held fast."""

from collections.abc import Callable
from dataclasses import dataclass

from client_sim.lab.scenarios.driving import Scenario, run_scenario
from client_sim.lab.trace.entropy import Entropy
from client_sim.lab.trace.memory import MemoryWorld, Responder
from client_sim.lab.trace.observation import Observation
from client_sim.persona import Persona
from client_sim.world import Factory, Public


@dataclass(frozen=True, slots=True)
class Setting:
    """The five inputs of a client, and what happens to it.

    `public` and `personal` are the phone and its owner, `entropy` the randomness, `start` the clock
    at the beginning (epoch seconds), `serve` makes the server: a new one for each run, so that none
    remembers another's.
    """

    public: Public
    personal: Persona
    entropy: Entropy
    start: float
    serve: Callable[[], Responder]
    scenario: Scenario


def observe(factory: Factory, setting: Setting) -> Observation:
    """Run a client in a setting under virtual time and give everything that left it."""
    world = MemoryWorld(
        setting.public,
        setting.personal,
        entropy=setting.entropy,
        start=setting.start,
        respond=setting.serve(),
    )
    return run_scenario(factory, world, setting.scenario, setting.personal)
