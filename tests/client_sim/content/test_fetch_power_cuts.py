"""Power cuts while packs are fetched, repaired or rolled back: the next poll completes them."""

from client_sim.content.kinds import KINDS
from client_sim.content.plan import plan_rollback
from client_sim.content.store import Store
from tests.client_sim.content.packs import put_pack
from tests.client_sim.content.polls import ID, MORE, POLL, damage, poll, publish, used
from tests.client_sim.device.fake_world import State
from tests.client_sim.device.repository_simulator import START
from tests.client_sim.engine.power_cut import PowerCut
from tests.server.core.content.samples import entries_of


def cut_everywhere(world, act=poll, fewest=0):
    """Let a phone act and lose power at each of its state's changes, more than `fewest`.

    Yields after each power cut.
    """
    held, cuts = dict(world.state), 0
    while True:
        cuts += 1
        world.state = State(held)
        world.state.left = cuts
        try:
            act(world)
        except PowerCut:
            world.state.left = None
            yield
        else:
            break
    assert cuts > fewest


def test_a_phone_that_dies_in_between_has_the_old_pack_or_the_new_one(repository, world):
    """The next poll brings the new one."""
    publish(repository)
    poll(world)
    publish(repository, entries=MORE, version=2)
    for _ in cut_everywhere(world, fewest=6):
        assert used(world) in [(1, ID), (2, MORE)]
        poll(world)
        assert used(world) == (2, MORE)
        assert len([name for name in world.state if name.startswith("part.")]) == 5


def test_power_is_lost_while_damage_is_mended(repository, world):
    """The next poll asks for all of the kind, or has all of it."""
    paths = publish(repository)
    poll(world)
    damage(world, paths[0])
    asked = set()
    for _ in cut_everywhere(world, fewest=5):
        poll(world)
        asked.add(tuple(world.paths))
        assert used(world) == (1, ID)
    assert asked == {(*POLL, *paths), tuple(POLL)}


def test_later_requests_do_not_show_where_power_was_lost(repository, world):
    """The next poll asks for all parts that a role brought, or for none: 2 bits, of 3 kinds."""
    publish(repository, entries=ID)
    put_pack(repository, "zones", entries_of("zones"))
    publish(repository, "notices", entries_of("notices"), hosts=["example.com"])
    poll(world)
    held = str(dict(world.state))
    tables = set(publish(repository, entries=MORE, version=2))
    tables |= set(publish(repository, "zones", {}, version=2))
    content = set(publish(repository, "greetings", entries_of("greetings")))
    tables = {path for path in tables if path.rpartition("/")[2].split(".")[0] not in held}
    asked = set()
    for _ in cut_everywhere(world, fewest=20):
        assert not poll(world).warnings
        asked.add(frozenset(path for path in world.paths if path.startswith("/targets/")))
        assert used(world) == (2, MORE)
    assert asked == {frozenset(tables | content), frozenset(content), frozenset()}


def test_an_owner_who_turns_back_as_power_is_lost_has_either_pack(repository, world):
    """The later one until the choice is stored, then the earlier; polls request no part."""
    publish(repository)
    poll(world)
    publish(repository, entries=MORE, version=2)
    poll(world)

    def turn_back(world):
        store, kind = Store(world.state), KINDS["emergency"]
        store.keep("tables", {kind: plan_rollback(store.load(kind), START)})
        store.sweep()

    seen = []
    for _ in cut_everywhere(world, turn_back):
        seen.append(used(world)[0])
        assert not poll(world).warnings
        assert world.paths == POLL
    # The pack that was turned back stays in the record: its parts are what the next one is held to.
    assert seen == [2]
    assert used(world) == (1, ID)
