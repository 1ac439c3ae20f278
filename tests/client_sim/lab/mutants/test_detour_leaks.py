"""Leaks past the world: what the system is told, and the polls beside it."""

import sys
from collections import Counter

import pytest

from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.mutants import detours
from client_sim.lab.trace.detours import watch_detours
from client_sim.persona import make_persona
from tests.client_sim.lab.mutants.leaving import live

BY_ID = {mutant.id: mutant.make for mutant in detours.MUTANTS}
OWNER = make_persona(0)


class Ears:
    """Hears what the interpreter tells while it listens."""

    def __init__(self):
        self.heard = None

    def hook(self, event, arguments):
        """Keep an event."""
        if self.heard is not None and event.partition(".")[0] in {"socket", "subprocess"}:
            self.heard.append((event, str(arguments)))


EARS = Ears()


@pytest.fixture
def heard():
    """Listen for a test; a hook stays for ever."""
    if EARS.heard is None:
        sys.addaudithook(EARS.hook)
    EARS.heard = []
    yield EARS.heard
    EARS.heard = []


@pytest.mark.parametrize(
    ("mutant_id", "event", "said"),
    [
        ("detour-beat", "socket.sendto", "('127.0.0.1', 9)"),
        ("detour-beside", "socket.sendto", "('127.0.0.1', 9)"),
        ("detour-name", "socket.getaddrinfo", OWNER.serial),
    ],
)
def test_each_poll_tells_the_system_and_not_the_world(mutant_id, event, said, heard):
    """Four polls, four detours; what goes through the world is what a clean client sends."""
    told = live(BY_ID[mutant_id], OWNER)
    assert Counter(name for name, text in heard if said in text)[event] == 4
    assert told.left == live(ToyClient, OWNER).left


def test_a_program_is_started_when_a_poll_fails(heard):
    """It is told why."""
    client = BY_ID["detour-program"](live(ToyClient, OWNER))
    client.failed(ConnectionError("no such name"))
    assert ("subprocess.Popen", True) in [(name, "no such name" in text) for name, text in heard]


@pytest.mark.parametrize(("mutant_id", "times"), [("pause-id", 4), ("pause-sms", 1)])
def test_a_pause_is_asked_for_and_nothing_else_tells(mutant_id, times):
    """Once a poll, or once behind the one message; what leaves is what a clean client sends."""
    noted = []
    with watch_detours(noted.append):
        told = live(BY_ID[mutant_id], OWNER)
    assert len(noted) == times
    assert {note.split()[0] for note in noted} == {b"time.sleep"}
    assert len(set(noted)) == 1
    sent = [(what, data) for what, _, data in told.left if what != "due"]
    assert sent == [(w, data) for w, _, data in live(ToyClient, OWNER).left if w != "due"]
