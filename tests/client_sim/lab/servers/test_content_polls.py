"""Content is polled alike by phones of every locale, carrier and country, and the lab would see."""

from dataclasses import replace
from unittest.mock import patch

import pytest

from client_sim.content.plan import plan_parts
from client_sim.device.client import PollingClient
from client_sim.lab.oracles.equality import judge_equality
from client_sim.lab.oracles.judging import judge_completion, judge_grammar
from client_sim.lab.scenarios.driving import IDLE, run_scenario
from client_sim.lab.servers.contents import Publication, renew_content, renew_tables
from client_sim.lab.trace.entropy import Entropy
from client_sim.lab.trace.memory import MemoryWorld
from client_sim.persona import make_persona

HISTORY = [
    Publication("other tables", renew_tables, connection=1),
    Publication("other content", renew_content, connection=2),
]
OWNERS = [
    replace(make_persona(1), locale=locale, carrier=carrier, time_zone=zone)
    for locale, carrier, zone in (
        ("id-ID", "Contoh Seluler", "Asia/Jakarta"),
        ("de-DE", "Beispiel Mobil", "Europe/Berlin"),
        ("ar-EG", "Example Tel", "Africa/Cairo"),
        ("zh-CN", "Test PLMN 1-1", "Asia/Shanghai"),
    )
]


def watch(repository, factory, owner, entropy=b"e"):
    """Let an owner's phone live through the history and give what left it."""
    public = repository.public("armani", "id", "stable")
    world = MemoryWorld(
        public,
        owner,
        entropy=Entropy(entropy),
        start=1_767_225_600.0,
        respond=repository.serve(HISTORY),
    )
    return run_scenario(factory, world, IDLE, owner), public


class Picky(PollingClient):
    """Fetches the parts of packs that its owner has a use for."""

    def __init__(self, world):
        super().__init__(world)
        self.world = world

    def poll(self):
        """Poll without what is of no use."""
        with patch("client_sim.content.fetch.plan_parts", self.choose):
            return super().poll()

    def choose(self, record):
        """Choose parts by language."""
        is_at_home = self.world.personal.locale == "id-ID"
        return plan_parts(record)[: None if is_at_home else 1]


def test_owners_everywhere_send_the_same_bytes(repository):
    """A first poll with all packs, and two in which a part has changed."""
    (first, public), *others = [watch(repository, PollingClient, owner) for owner in OWNERS]
    paths = first.connections()[0].data
    assert paths.count(b"GET /targets/") == 5
    assert [each.data.count(b"GET /targets/") for each in first.connections()[1:3]] == [1, 1]
    assert judge_grammar(first, public) == ()
    assert judge_completion(first, public) == ()
    for other, _ in others:
        assert judge_equality(first, other, "elsewhere", with_time=True) == ()


@pytest.mark.parametrize("owner", OWNERS[1:], ids=lambda owner: owner.locale)
def test_a_client_that_fetches_what_its_owner_needs_is_found(repository, owner):
    """By what it does not ask for: beside another owner's phone, and by itself."""
    home, _ = watch(repository, Picky, OWNERS[0])
    abroad, public = watch(repository, Picky, owner)
    (found, *_) = judge_equality(home, abroad, "elsewhere", with_time=True)
    assert b"/targets/" in found.data + (found.other or b"")
    assert "which its role lists" in judge_completion(abroad, public)[0].explanation
