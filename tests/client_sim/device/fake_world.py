"""A phone's world in memory, around a simulated repository."""

import hashlib
import itertools

from client_sim.world import BuildFacts, Public
from tests.client_sim.device.repository_simulator import SOURCE, START
from tests.client_sim.engine.power_cut import PowerCut

HOST = "updates.hening.example"


class State(dict):
    """A mapping whose n-th change raises `PowerCut` in place of taking effect."""

    def __init__(self, *args):
        super().__init__(*args)
        self.left = None
        self.changes = 0

    def __setitem__(self, name, value):
        self._step(lambda: super(State, self).__setitem__(name, value))

    def pop(self, name, *default):
        """Remove a value."""
        if name in self:
            self._step(lambda: None)
        return super().pop(name, *default)

    def _step(self, change):
        self.changes += 1
        if self.left is not None:
            self.left -= 1
            if self.left == 0:
                raise PowerCut
        change()


class MemoryStream:
    """A connection to the simulated repository."""

    def __init__(self, world):
        self.world = world
        self.asked = b""
        self.answers = b""
        self.closed = False

    def send(self, data):
        """Send bytes; each complete head is answered immediately."""
        self.world.sent.append(data)
        self.asked += data
        while b"\r\n\r\n" in self.asked:
            head, _, self.asked = self.asked.partition(b"\r\n\r\n")
            answer = self.world.repository.answer(head)
            if isinstance(answer, OSError):
                raise answer
            self.answers += answer

    def recv(self, limit):
        """Receive at most `piece` bytes, so that tests can feed the parser small pieces."""
        size = min(limit, self.world.piece)
        taken, self.answers = self.answers[:size], self.answers[size:]
        return taken

    def close(self):
        """Close the connection."""
        self.closed = True


class FakeWorld:
    """A phone's world; `sent` holds the bytes that left, in the order of sending."""

    personal = None

    def __init__(self, repository, **public):
        self.repository = repository
        self.piece = 1 << 16
        self.sent = []
        self.resolved = []
        self.streams = []
        self.connected = []
        self.state = State()
        self.clock = float(START)
        self._draws = itertools.count()
        self.public = make_public(repository, **public)

    @property
    def paths(self):
        """Return the paths requested since `sent` was emptied."""
        return [data.decode().split(" ")[1] for data in self.sent]

    def entropy(self, n):
        """Return bytes that never repeat."""
        return hashlib.shake_256(b"%d" % next(self._draws)).digest(n)

    def now(self):
        """Return the time of the phone's clock."""
        return self.clock

    def resolve(self, host):
        """Return two documentation addresses for any name."""
        self.resolved.append(host)
        return ["198.51.100.7", "198.51.100.8"]

    def connect(self, address, port, tls):
        """Open a connection to the repository."""
        self.connected.append((address, port, tls))
        self.streams.append(MemoryStream(self))
        return self.streams[-1]


def make_public(repository, **changes):
    """Return the public facts of a phone that runs build 1."""
    facts = {
        "host": HOST,
        "port": 8080,
        "tls": False,
        "codename": "armani",
        "region": "id",
        "channel": "stable",
        "root": repository.trusted_root,
        "ota_certificate": b"",
        "built_at": START - 100 * 86_400,
        "build": BuildFacts(SOURCE, "1", 1, START - 1, "2025-12-05"),
    }
    return Public(**{**facts, **changes})
