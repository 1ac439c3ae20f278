"""The exact bytes of a poll, found by letting the client poll."""

from client_sim.lab.errors import LabError
from client_sim.lab.oracles.judging import host_line
from client_sim.lab.programme.dissection import Exchange, dissect
from client_sim.lab.servers.scripted import respond
from client_sim.lab.trace.entropy import Entropy
from client_sim.lab.trace.memory import MemoryWorld
from client_sim.lab.trace.recording import RecordingWorld
from client_sim.world import Factory, Public


def explain_poll(factory: Factory, public: Public, now: float) -> tuple[Exchange, ...]:
    """Let a client poll a scripted server once and dissect what it sends.

    Bytes that the request table does not have stand where they were sent, and say so. LabError
    when the poll raises, or sends nothing.
    """
    inner = MemoryWorld(public, None, entropy=Entropy(b"explain"), start=now, respond=respond)
    world = RecordingWorld(inner)
    world.phase = "poll 1"
    try:
        outcome = factory(world).poll()
    except (Exception, SystemExit) as error:
        said_so = " ".join(f"{type(error).__name__}: {error}".split())
        raise LabError(f"the client cannot be explained, as its poll raised {said_so}") from error
    connections = world.observation().connections()
    if not connections:
        raise LabError(f"the client sent nothing, so there is nothing to explain: {outcome}")
    return tuple(
        exchange
        for connection in connections
        for exchange in dissect(connection.data, host_line(public))
    )
