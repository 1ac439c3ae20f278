"""Settings: everything except the client that determines a run."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from enum import Enum
from functools import cache
from itertools import islice
from typing import Final

from client_sim.clock import read_clock
from client_sim.device.internet import make_tls_context
from client_sim.lab.clients.loading import import_again
from client_sim.lab.scenarios.driving import Scenario, run_scenario
from client_sim.lab.scenarios.limits import PATIENCE
from client_sim.lab.servers.scripted import Authority, ListeningServer, make_authority
from client_sim.lab.trace.identity import on_machine
from client_sim.lab.trace.machine import Machine, make_machine
from client_sim.lab.trace.memory import Entropy, MemoryWorld, Responder
from client_sim.lab.trace.observation import Observation
from client_sim.lab.trace.sockets import Dial, DrivenWorld, MakeDial, Relay, SocketWorld
from client_sim.persona import Persona
from client_sim.world import Factory, Public


class Transport(Enum):
    """What connects a client and its server."""

    MEMORY = "one process"
    SOCKETS = "sockets"
    TLS = "sockets and TLS"


def make_phone_dial(certificate: str, _owner: Persona) -> Dial:
    """Return a function that starts TLS as phones do: the same configuration, a new context."""
    return lambda sock, name: make_tls_context(certificate).wrap_socket(sock, server_hostname=name)


def leave_unchanged(factory: Factory) -> Factory:
    """Return the factory unchanged; the default of `Setting.adapt`."""
    return factory


DEFAULT_MACHINE: Final = make_machine(b"usual")
"""The default machine of a run; not the machine on which the lab runs."""


@dataclass(frozen=True, slots=True)
class Setting:
    """The five inputs of a client, its scenario, and its transport.

    - `public` and `personal` are the phone and its owner, `entropy` is the randomness, and `start`
      the time at the beginning (epoch seconds).
    - `serve` makes a new server for each run, so that no server remembers another run.
    - `transport` and `dial` connect the client to the server. Over sockets, `upstream` is the
      address of a running server that is polled instead of the one from `serve`.
    - A run is given up after `patience` seconds of processor time or of waiting.
    - `adapt` changes the client before it is run.
    - `machine` is what the interpreter reports; after each poll it becomes the next of `altered`,
      as long as there is one.
    """

    public: Public
    personal: Persona
    entropy: Entropy
    start: float
    serve: Callable[[], Responder]
    scenario: Scenario
    transport: Transport = Transport.MEMORY
    dial: MakeDial = make_phone_dial
    upstream: str | None = None
    patience: float = PATIENCE
    adapt: Callable[[Factory], Factory] = leave_unchanged
    machine: Machine = DEFAULT_MACHINE
    altered: tuple[Machine, ...] = ()


def observe(factory: Factory, setting: Setting) -> Observation:
    """Run a client in a setting under virtual time, and return everything that left it.

    Raise ClientOverdueError if the client does not return.
    """
    if setting.transport is not Transport.MEMORY:
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
    remaining = iter(setting.altered)
    with on_machine(setting.machine) as become:

        def alter() -> None:
            for machine in islice(remaining, 1):
                become(machine)

        return run_scenario(
            setting.adapt(factory),
            world,
            setting.scenario,
            setting.personal,
            setting.patience,
            renew=lambda: setting.adapt(import_again(factory)),
            after_poll=alter,
        )


_ADDRESS: Final = "127.0.0.1"


def _observe_on_sockets(factory: Factory, setting: Setting) -> Observation:
    """Run a client over real sockets of this machine; its clock remains virtual."""
    worlds: list[SocketWorld] = []

    def now() -> float:
        return worlds[0].now()

    authority = _authority(setting.public.host) if setting.transport is Transport.TLS else None
    dial = None if authority is None else setting.dial(authority.certificate, setting.personal)
    context = None if authority is None else authority.context
    with ExitStack() as stack:
        if setting.upstream is None:
            server = stack.enter_context(ListeningServer(setting.serve(), now, context))
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
