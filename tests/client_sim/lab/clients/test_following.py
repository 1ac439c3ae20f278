"""The toy client that follows changes sends what the phone sends."""

from client_sim.device.client import PollingClient
from client_sim.lab.clients.following import FollowingToy
from client_sim.lab.scenarios.driving import run_scenario
from client_sim.lab.scenarios.generators import idle
from client_sim.lab.servers.contents import CHANGES, one_by_one
from client_sim.lab.servers.packs import PARTS, make_history
from client_sim.lab.servers.repository import Repository
from client_sim.lab.trace.memory import Entropy, MemoryWorld
from client_sim.persona import make_persona
from tests.cases import case

OWNER = make_persona(1)
REPOSITORY = Repository(kinds=tuple(PARTS))


def send(factory, history, polls):
    """Return the bytes that a client sends, by connection."""
    world = MemoryWorld(
        REPOSITORY.public("armani", "id", "stable"),
        OWNER,
        entropy=Entropy(b"e"),
        start=1_767_225_600.0,
        respond=REPOSITORY.serve(history),
    )
    observation = run_scenario(factory, world, idle(polls), OWNER)
    return [connection.data for connection in observation.connections()]


def test_following_toy_sends_the_bytes_of_the_phone():
    """During changes of a repository and of packs."""
    for history in (
        one_by_one(CHANGES[:10]),  # after a change of keys a phone requests metadata again
        make_history("withdrawn, and followed", "apn"),
        make_history("withdrawn and followed while phones sleep", "emergency"),
        make_history("staged for nobody, then for all", "greetings"),
    ):
        with case(history):
            polls = len(history) + 1
            sent = send(FollowingToy, history, polls)
            assert sent == send(PollingClient, history, polls)
            assert sent[0].count(b".xz HTTP/1.1\r\n") == 72
