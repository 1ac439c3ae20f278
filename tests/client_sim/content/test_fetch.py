"""Packs in polls: the requests, their order, and the packs in use afterwards."""

import hashlib

import pytest

from client_sim.content.kinds import KINDS
from client_sim.content.plan import plan_rollback
from client_sim.content.store import Store
from client_sim.device.errors import ContentError
from tests.client_sim.content.packs import encode_parts, put_pack
from tests.client_sim.content.polls import ID, MORE, POLL, damage, poll, publish, used
from tests.client_sim.device.fake_world import FakeWorld, State
from tests.client_sim.device.repository_simulator import START, response
from tests.client_sim.engine.power_cut import PowerCut
from tests.server.core.content.samples import PICTURE, entries_of


def test_all_kinds_are_fetched_in_their_order(repository, world):
    """Parts follow the roles and proofs: tables before content, by kind and number."""
    paths = []
    for kind in KINDS:
        pictures = {"waves": PICTURE} if kind == "wallpapers" else {}
        entries = entries_of(kind)
        paths += put_pack(repository, kind, entries, pictures=pictures, hosts=["example.com"])
    repository.publish("tables", "content")
    outcome = poll(world)
    assert not outcome.warnings
    assert world.paths[6:10] == [
        *("/metadata/2.tables.json", "/log/proof/tables.2"),
        *("/metadata/2.content.json", "/log/proof/content.2"),
    ]
    assert world.paths[10:] == paths
    assert len(paths) == 16 * 3 + 4 + 8 * 2 + 4
    kinds = [path.split("/")[3] for path in paths]
    assert kinds == sorted(kinds, key=list(KINDS).index)
    for kind in KINDS:
        assert used(world, kind) == (1, entries_of(kind))
    assert poll(world).requests == tuple(POLL)


def test_only_changed_parts_are_fetched(repository, world):
    """A new country changes one part of four."""
    publish(repository)
    poll(world)
    paths = publish(repository, entries=MORE, version=2)
    changed = hashlib.sha256(b"DE").digest()[0] * 4 // 256
    poll(world)
    assert world.paths[2:] == [
        *("/metadata/3.snapshot.json", "/metadata/3.tables.json", "/log/proof/tables.3"),
        paths[changed],
    ]
    assert used(world) == (2, MORE)


def test_a_poll_without_news_decodes_nothing(repository, world, monkeypatch):
    """Stored packs are not decoded again unless their role changes."""
    publish(repository)
    poll(world)

    def refuse(*_arguments):
        raise AssertionError

    monkeypatch.setattr("client_sim.content.fetch.decode_index", refuse)
    monkeypatch.setattr("client_sim.content.store.decode_part", refuse)
    repository.offer()
    changes = world.state.changes
    assert poll(world).offer is not None
    assert world.state.changes - changes == len(["timestamp", "snapshot", "latest"])


def test_missing_parts_are_fetched_by_the_next_poll(repository, world):
    """A missing part blocks no update, and no pack of its role is used without it."""
    paths = publish(repository)
    put_pack(repository, "zones", entries_of("zones"))
    repository.offer()
    repository.publish("tables")
    gone = repository.files.pop(paths[2])
    outcome = poll(world)
    assert outcome.offer is not None
    assert outcome.warnings == ("Part 2 of the pack emergency was not received.",)
    with pytest.raises(ContentError, match="has no emergency"):
        used(world)
    assert not [name for name in world.state if name.startswith("part.")]
    repository.files[paths[2]] = gone
    poll(world)
    assert world.paths[:6] == [*POLL, *paths]
    assert used(world) == (1, ID)
    assert used(world, "zones") == (1, entries_of("zones"))


@pytest.mark.parametrize("answer", [response(b"404 Not Found", b""), OSError("cut")])
def test_requests_do_not_show_which_parts_arrived(repository, world, answer):
    """A phone with withheld parts sends the same requests as one without any part."""
    paths = publish(repository)
    asked = []
    for kept_back in ([0], [1, 2], [3], []):
        repository.overrides = {paths[number]: answer for number in kept_back}
        poll(world)
        asked.append([path for path in world.paths if path.startswith("/targets/")][:1])
    assert asked == [paths[:1]] * 4
    assert used(world) == (1, ID)


def test_wrong_part_is_not_stored(repository, world):
    """A part of another length or hash is requested again."""
    paths = publish(repository)
    good = repository.files[paths[1]]
    for data in (b"", b"x", good + b"x"):
        repository.files[paths[1]] = data
        assert poll(world).warnings
    repository.files[paths[1]] = good
    poll(world)
    assert paths[1] in world.paths
    assert used(world) == (1, ID)


@pytest.mark.parametrize("answer", [response(b"500 Oops", b""), OSError("broken")])
@pytest.mark.parametrize("place", ["role", "proof", "part"])
def test_failures_after_latest_block_no_update(repository, world, answer, place):
    """The connection is closed, and the next poll completes the packs."""
    paths = publish(repository)
    repository.offer()
    broken = {"role": "/metadata/2.tables.json", "proof": "/log/proof/tables.2", "part": paths[1]}
    repository.overrides[broken[place]] = answer
    outcome = poll(world)
    assert outcome.offer is not None
    assert any("next poll goes on" in warning for warning in outcome.warnings)
    assert world.paths[-1] == broken[place]
    repository.overrides.clear()
    assert not poll(world).warnings
    assert used(world) == (1, ID)
    asked = world.paths
    assert poll(world).requests == tuple(POLL)
    if place == "part":
        assert [path for path in asked if path.startswith("/targets/")] == paths


@pytest.mark.parametrize("is_decoded", [True, False])
def test_a_bad_pack_leaves_the_old_one_in_use(repository, world, is_decoded):
    """It is reported once, and not requested again under a later version of its role."""
    publish(repository)
    poll(world)
    bad = {"ID": {"exact": True, "numbers": ["x"]}}
    if not is_decoded:
        bad = [b"hello", *encode_parts("emergency", ID)[1:]]
    publish(repository, version=2, entries=bad)
    (warning,) = poll(world).warnings
    assert warning.startswith("Version 2 of emergency is not used: ")
    assert used(world) == (1, ID)
    repository.publish("tables")
    assert not poll(world).warnings
    assert not [path for path in world.paths if path.startswith("/targets/")]
    publish(repository, version=3, entries=MORE)
    assert not poll(world).warnings
    assert used(world) == (3, MORE)


def test_share_decides_use_and_not_requests(repository):
    """24 phones send the same bytes, and about half of them use the new pack."""
    publish(repository)
    worlds = [FakeWorld(repository) for _ in range(24)]
    for place, world in enumerate(worlds):
        world.state["secret"] = hashlib.sha256(b"%d" % place).digest()
        poll(world)
    publish(repository, entries=MORE, version=2, rollout=[[START, 500]])
    for world in worlds:
        poll(world)
    assert len({tuple(world.sent) for world in worlds}) == 1
    assert 4 < sum(used(world)[0] == 2 for world in worlds) < 20
    # Parts of version 1 that are listed again are fetched by all phones or by none.
    publish(repository, entries=ID, version=3)
    for world in worlds:
        poll(world)
    assert len({tuple(world.sent) for world in worlds}) == 1
    assert {used(world)[0] for world in worlds} == {3}


def test_malformed_index_keeps_the_stored_packs(repository, world):
    """The refusal is a warning."""
    publish(repository)
    poll(world)
    repository.signed["tables"].unrecognized_fields["custom"]["schema"] = 2
    repository.publish("tables")
    assert len(poll(world).warnings) == 1
    assert used(world) == (1, ID)


def test_malformed_pack_is_skipped(repository, world):
    """The other packs of its role are used."""
    put_pack(repository, "zones", entries_of("zones"))
    publish(repository, title={})
    (warning,) = poll(world).warnings
    assert warning.startswith("The pack emergency is skipped: ")
    assert used(world, "zones")[0] == 1
    assert not [path for path in world.paths if "/emergency/" in path]


def test_unknown_kinds_and_members_are_ignored(repository, world):
    """A later server may list more than this phone knows."""
    custom = repository.signed["tables"].unrecognized_fields
    put_pack(repository, "emergency", ID, later="x")
    custom["custom"]["packs"]["weather"] = {"version": 1}
    custom["custom"]["more"] = [1]
    repository.publish("tables")
    assert not poll(world).warnings
    assert used(world) == (1, ID)


def cut_everywhere(world, act=poll, fewest=0):
    """Let a phone lose power at each of its state's changes, which are more than `fewest`.

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


def test_power_cuts_leave_the_old_pack_or_the_new_one(repository, world):
    """The next poll completes the new pack."""
    publish(repository)
    poll(world)
    publish(repository, entries=MORE, version=2)
    for _ in cut_everywhere(world, fewest=6):
        assert used(world) in [(1, ID), (2, MORE)]
        poll(world)
        assert used(world) == (2, MORE)
        assert len([name for name in world.state if name.startswith("part.")]) == 5


def test_power_cuts_during_a_repair(repository, world):
    """The next poll requests all parts of the kind, or none."""
    paths = publish(repository)
    poll(world)
    damage(world, paths[0])
    asked = set()
    for _ in cut_everywhere(world, fewest=5):
        poll(world)
        asked.add(tuple(world.paths))
        assert used(world) == (1, ID)
    assert asked == {(*POLL, *paths), tuple(POLL)}


def test_requests_do_not_show_where_power_was_lost(repository, world):
    """The next poll requests all new parts of a role or none: 2 bits for 3 kinds."""
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


def test_power_cuts_during_a_rollback(repository, world):
    """The later pack is used until the choice is stored; polls request no part."""
    publish(repository)
    poll(world)
    publish(repository, entries=MORE, version=2)
    poll(world)

    def roll_back(world):
        store, kind = Store(world.state), KINDS["emergency"]
        store.save("tables", {kind: plan_rollback(store.load(kind), START)})
        store.sweep()

    seen = []
    for _ in cut_everywhere(world, roll_back):
        seen.append(used(world)[0])
        assert not poll(world).warnings
        assert world.paths == POLL
    # The record keeps the pack that was rolled back, as the next one is compared with its parts.
    assert seen == [2]
    assert used(world) == (1, ID)
