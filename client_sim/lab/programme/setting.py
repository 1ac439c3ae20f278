"""All that a run depends on besides the client: its variables and constants."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from enum import Enum
from functools import cache
from itertools import islice
from typing import Final

from client_sim.clock import read_clock
from client_sim.device.internet import make_tls_context
from client_sim.lab.clients.loading import born_anew
from client_sim.lab.scenarios.confines import PATIENCE
from client_sim.lab.scenarios.driving import Scenario, run_scenario
from client_sim.lab.servers.scripted import Authority, Listening, make_authority
from client_sim.lab.trace.identity import on_machine
from client_sim.lab.trace.machine import Machine, make_machine
from client_sim.lab.trace.memory import DrivenWorld, Entropy, MemoryWorld, Responder
from client_sim.lab.trace.observation import Observation
from client_sim.lab.trace.sockets import Dial, MakeDial, Relay, SocketWorld
from client_sim.persona import Persona
from client_sim.world import Factory, Public


class Way(Enum):
    """What lies between a client and its server."""

    MEMORY = "one process"
    SOCKETS = "sockets"
    TLS = "sockets and TLS"


def dial_as_a_phone(trusted: str, _owner: Persona) -> Dial:
    """Make the function that begins TLS as every phone does: one configuration, fresh each time."""
    return lambda wire, name: make_tls_context(trusted).wrap_socket(wire, server_hostname=name)


def keep(factory: Factory) -> Factory:
    """Examine a client as it is."""
    return factory


USUAL: Final = make_machine(b"usual")
"""The default machine of a run: never the one that the lab runs on."""


@dataclass(frozen=True, slots=True)
class Setting:
    """The five inputs of a client, and what happens to it.

    `public` and `personal` are the phone and its owner, `entropy` the randomness, `start` the clock
    at the beginning (epoch seconds), `serve` makes the server: a new one for each run, so that none
    remembers another's. `way` and `dial` are what carries it; `upstream`, over sockets, the address
    of a server that is there already and is polled in place of what `serve` makes. A run that takes
    `patience` seconds of processor time, or waits for as long, is given up. `adapt` changes the
    client before it is run; `machine` is what its interpreter reports, and the next of `altered`
    behind each poll, as long as there is one.
    """

    public: Public
    personal: Persona
    entropy: Entropy
    start: float
    serve: Callable[[], Responder]
    scenario: Scenario
    way: Way = Way.MEMORY
    dial: MakeDial = dial_as_a_phone
    upstream: str | None = None
    patience: float = PATIENCE
    adapt: Callable[[Factory], Factory] = keep
    machine: Machine = USUAL
    altered: tuple[Machine, ...] = ()


def observe(factory: Factory, setting: Setting) -> Observation:
    """Run a client in a setting under virtual time and give everything that left it.

    Raises ClientOverdueError where the client does not come back.
    """
    if setting.way is not Way.MEMORY:
        return _observe_on_sockets(factory, setting)
    world = MemoryWorld(
        setting.public,
        setting.personal,
        entropy=setting.entropy,
        start=setting.start,
        respond=setting.serve(),
    )
    return _run(factory, world, setting)


def _run(factory: Factory, world: DrivenWorld, setting: Setting) -> Observation:
    left = iter(setting.altered)
    with on_machine(setting.machine) as become:

        def alter() -> None:
            for machine in islice(left, 1):
                become(machine)

        return run_scenario(
            setting.adapt(factory),
            world,
            setting.scenario,
            setting.personal,
            setting.patience,
            renew=lambda: setting.adapt(born_anew(factory)),
            polled=alter,
        )


_ADDRESS: Final = "127.0.0.1"


def _observe_on_sockets(factory: Factory, setting: Setting) -> Observation:
    """Run a client over real sockets of this machine; its clock stays a virtual one."""
    worlds: list[SocketWorld] = []

    def now() -> float:
        return worlds[0].now()

    authority = _authority(setting.public.host) if setting.way is Way.TLS else None
    dial = None if authority is None else setting.dial(authority.certificate, setting.personal)
    context = None if authority is None else authority.context
    with ExitStack() as stack:
        if setting.upstream is None:
            server = stack.enter_context(Listening(setting.serve(), now, context))
            address, received = server.address, server.received
        else:
            address, received = (setting.upstream, setting.public.port), None
        world = SocketWorld(
            setting.public,
            setting.personal,
            entropy=setting.entropy,
            start=setting.start,
            addresses={setting.public.host: _ADDRESS},
            relay=stack.enter_context(Relay(address)),
            dial=dial,
            received=received,
        )
        worlds.append(world)
        return _run(factory, world, setting)


@cache
def _authority(host: str) -> Authority:
    return make_authority(host, read_clock())
