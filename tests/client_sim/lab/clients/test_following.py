"""The toy that follows what is new asks what the phone asks, in the same order."""

from client_sim.device.client import PollingClient
from client_sim.lab.clients.following import FollowingToy
from client_sim.lab.scenarios.driving import run_scenario
from client_sim.lab.scenarios.lives import idle
from client_sim.lab.servers.contents import CHANGES, one_by_one
from client_sim.lab.servers.packs import PARTS, make_history
from client_sim.lab.servers.repository import Repository
from client_sim.lab.trace.memory import Entropy, MemoryWorld
from client_sim.persona import make_persona
from tests.cases import case

OWNER = make_persona(1)
REPOSITORY = Repository(kinds=tuple(PARTS))


def asked(factory, history, polls):
    """Give all bytes that a client sends, connection by connection."""
    world = MemoryWorld(
        REPOSITORY.public("armani", "id", "stable"),
        OWNER,
        entropy=Entropy(b"e"),
        start=1_767_225_600.0,
        respond=REPOSITORY.serve(history),
    )
    observation = run_scenario(factory, world, idle(polls), OWNER)
    return [connection.data for connection in observation.connections()]


def test_it_asks_what_a_phone_asks():
    """Through everything that can happen to a repository, and to packs."""
    for history in (
        one_by_one(CHANGES[:10]),  # behind a change of keys a phone asks again
        make_history("withdrawn, and followed", "apn"),
        make_history("withdrawn and followed while phones sleep", "emergency"),
        make_history("staged for nobody, then for all", "greetings"),
    ):
        with case(history):
            polls = len(history) + 1
            assert asked(FollowingToy, history, polls) == asked(PollingClient, history, polls)
            assert asked(FollowingToy, history, polls)[0].count(b".xz HTTP/1.1\r\n") == 72
