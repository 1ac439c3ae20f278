"""What the tests of the lab share: a phone's public facts and a world in memory."""

import pytest

from client_sim.lab.scripted import answer
from client_sim.lab.worlds import MemoryWorld
from client_sim.world import Public, RunningBuild


@pytest.fixture(scope="session")
def public():
    """Give a phone that polls plain text by a host name."""
    build = RunningBuild("Hening/armani/armani:14/A/1:user/release-keys", "1", 1, 0, "2026-01-05")
    return Public(
        host="updates.example.org",
        port=8080,
        tls=False,
        codename="armani",
        region="id",
        channel="stable",
        root=b"{}",
        ota_certificate=b"",
        built_at=0,
        build=build,
    )


@pytest.fixture(scope="session")
def make_world(public):
    """Make a world in memory for a run."""

    def make(run):
        return MemoryWorld(
            public, run.personal, entropy=run.entropy, start=run.start, respond=answer
        )

    return make
