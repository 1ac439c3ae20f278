"""The exact octets of a poll, found by letting the client poll."""

from typing import Final

from client_sim.lab.errors import LabError
from client_sim.lab.oracles.grammar import parse_requests
from client_sim.lab.oracles.judging import host_line
from client_sim.lab.servers.scripted import respond
from client_sim.lab.trace.entropy import Entropy
from client_sim.lab.trace.memory import MemoryWorld
from client_sim.lab.trace.recording import RecordingWorld
from client_sim.world import Factory, Public

_WHY: Final = {
    "root": "asks whether the keys of the repository have changed; shows the root version held",
    "timestamp": "asks whether anything at all is new; shows nothing",
    "snapshot": "asks which roles have new versions",
    "role": "fetches a role that has a new version, as every phone does",
    "part": "fetches the part of a split latest that has its channel; shows which part that is",
    "proof-part": "fetches the proof that everybody is offered the same part",
    "proof-latest": "fetches the proof that everybody is offered the same pointers",
}


def explain_poll(factory: Factory, public: Public, now: float) -> tuple[tuple[str, bytes], ...]:
    """Let a client poll a scripted server once and give (explanation, octets) for each request.

    Octets that the request table does not have come last, with an explanation that says so.
    LabError when the poll raises, or sends nothing.
    """
    inner = MemoryWorld(public, None, entropy=Entropy(b"explain"), start=now, respond=respond)
    world = RecordingWorld(inner)
    world.phase = "poll 1"
    try:
        outcome = factory(world).poll()
    except Exception as error:
        said_so = " ".join(f"{type(error).__name__}: {error}".split())
        raise LabError(f"the client cannot be explained, as its poll raised {said_so}") from error
    if not world.observation().connections():
        raise LabError(f"the client sent nothing, so there is nothing to explain: {outcome}")
    said: list[tuple[str, bytes]] = []
    for connection in world.observation().connections():
        left = connection.octets
        for request in parse_requests(connection.octets, host_line(public)):
            end = connection.octets.index(b"\r\n\r\n", request.offset) + 4
            octets = connection.octets[request.offset : end]
            said.append((f"{request.rule}: {_WHY.get(request.rule, 'part of a poll')}", octets))
            left = left.replace(octets, b"", 1)
        if left:
            said.append(("not in the request table", left))
    return tuple(said)
