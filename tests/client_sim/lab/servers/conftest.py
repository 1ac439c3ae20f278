"""A simulated repository, and phones that poll it."""

import pytest

from client_sim.device.client import PollingClient
from client_sim.lab.oracles.judging import judge_grammar
from client_sim.lab.servers.repository import Repository
from client_sim.lab.trace.memory import Entropy, MemoryWorld
from client_sim.lab.trace.recording import RecordingWorld

START = 1_767_225_600.0


class Phone:
    """A phone that polls when it is due, and the outcomes of its polls."""

    def __init__(self, repository, respond, *, start=START, entropy=b"seed"):
        public = repository.public("armani", "id", "stable")
        self.inner = MemoryWorld(
            public, None, entropy=Entropy(entropy), start=start, respond=respond
        )
        self.world = RecordingWorld(self.inner)
        self.client = PollingClient(self.world)
        self.outcomes = []

    def poll(self, times=1):
        """Poll, advance the clock to the next due time, and return the last outcome."""
        for _ in range(times):
            self.world.begin_poll(len(self.outcomes) + 1)
            self.outcomes.append(self.client.poll())
            self.inner.advance_to(self.client.next_poll(self.inner.now()))
        return self.outcomes[-1]

    @property
    def asked(self):
        """Return the requests of each poll."""
        return [outcome.requests for outcome in self.outcomes]

    def violations(self):
        """Return the findings about bytes that are not in the request table."""
        return judge_grammar(self.world.observation(), self.world.public)


@pytest.fixture(scope="session")
def repository():
    """Return a repository; its runs are independent of each other."""
    return Repository()


@pytest.fixture
def make_phone(repository):
    """Make phones of the repository."""

    def make(respond=None, **options):
        return Phone(repository, respond or repository.serve(), **options)

    return make
