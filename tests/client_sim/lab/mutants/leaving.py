"""A world of these tests' own that writes down what leaves, and a short life to lead in it."""

import functools
import hashlib
import itertools
import re

from client_sim.owner_events.events import EVERYDAY, KINDS_2014, describe
from client_sim.persona import Persona
from tests.client_sim.device.fake_world import make_public
from tests.client_sim.device.repository_simulator import START, Repository

HOST = "updates.hening.example"
_LINE = re.compile(rb"[A-Z]+ (\S*) HTTP/1\.[01]\r?\n")
_PATH = re.compile(rb"/(?:metadata|log)/[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)?")

REPOSITORY = Repository()
answer = functools.cache(REPOSITORY.answer)
PUBLIC = make_public(REPOSITORY)


class Life:
    """A world for one phone; `left` lists (what, when, bytes) in the order of leaving."""

    def __init__(self, personal, seed=b"seed", start=START):
        self.public = PUBLIC
        self.personal = personal
        self.state = {}
        self.clock = float(start)
        self.left = []
        self.outcomes = []
        self._seed = seed
        self._draws = itertools.count()

    def entropy(self, n):
        """Give bytes of the seed."""
        return hashlib.shake_256(b"%s %d" % (self._seed, next(self._draws))).digest(n)

    def now(self):
        """Give the time."""
        return self.clock

    def resolve(self, host):
        """Answer everything alike."""
        self.note("question", host.encode())
        return ["198.51.100.7"]

    def connect(self, address, port, tls):
        """Connect to the repository, whatever is meant."""
        self.note("target", f"{address} {port} {tls}".encode())
        return _Stream(self)

    def note(self, what, data):
        """Write down a departure."""
        self.left.append((what, self.clock, data))

    @property
    def data(self):
        """Give all that was asked, connected to and sent, without times."""
        return b"\n".join(data for what, _, data in self.left if what != "due")


class _Stream:
    def __init__(self, life):
        self._life = life
        self._asked = self._answers = b""

    def send(self, data):
        self._life.note("octets", bytes(data))
        self._asked += data

    def recv(self, limit):
        for target in _LINE.findall(self._asked):
            path = _PATH.search(target)
            found = path.group() if path else b"/none"
            self._answers += answer(b"GET %s HTTP/1.1" % found)
        self._asked = b""
        taken, self._answers = self._answers[:limit], self._answers[limit:]
        return taken

    def close(self):
        self._life.note("close", b"")


def live(factory, personal: Persona, seed=b"seed", start=START) -> Life:
    """Let a phone poll, see what happens to owners, poll, start again and poll twice."""
    life = Life(personal, seed, start)
    client = factory(life)
    _poll(client, life)
    for kind in (*KINDS_2014, *EVERYDAY):
        client.on_event(describe(kind, personal))
    _poll(client, life)
    client = factory(life)
    _poll(client, life)
    _poll(client, life)
    return life


def _poll(client, life):
    life.outcomes.append(str(client.poll()))
    due = client.next_poll(life.clock)
    life.note("due", repr(due).encode())
    life.clock = max(life.clock, due)
