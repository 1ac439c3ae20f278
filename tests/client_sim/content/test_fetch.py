"""Packs in polls: what is asked for, in which order, and what is used behind it."""

import hashlib

import pytest

from client_sim.content.kinds import KINDS
from client_sim.content.plan import plan_rollback
from client_sim.content.store import Store
from client_sim.device.errors import ContentError
from tests.client_sim.content.packs import encode_part, encode_parts, put_pack
from tests.client_sim.content.polls import ID, MORE, POLL, damage, poll, publish, used
from tests.client_sim.device.fake_world import FakeWorld, State
from tests.client_sim.device.repository_simulator import START, response
from tests.client_sim.engine.power_cut import PowerCut
from tests.server.core.content.samples import PICTURE, entries_of


def test_all_kinds_are_fetched_in_their_order(repository, world):
    """Behind the roles and their proofs: tables before content, by kind and number."""
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
    """A new country is in one part of four."""
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
    """What is held is not looked at again until something is new."""
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


def test_what_is_missing_comes_with_the_next_poll(repository, world):
    """A part that is not there stops no update; nothing of its role counts until all is there."""
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
def test_later_requests_do_not_show_which_parts_came(repository, world, answer):
    """A phone from which a server kept parts back asks as one that got none."""
    paths = publish(repository)
    asked = []
    for kept_back in ([0], [1, 2], [3], []):
        repository.overrides = {paths[number]: answer for number in kept_back}
        poll(world)
        asked.append([path for path in world.paths if path.startswith("/targets/")][:1])
    assert asked == [paths[:1]] * 4
    assert used(world) == (1, ID)


def test_a_part_that_is_not_the_signed_one_is_not_kept(repository, world):
    """Of whatever length; it is asked for again."""
    paths = publish(repository)
    good = repository.files[paths[1]]
    for data in (b"", b"x", good + b"x"):
        repository.files[paths[1]] = data
        assert poll(world).warnings
    repository.files[paths[1]] = good
    poll(world)
    assert paths[1] in world.paths
    assert used(world) == (1, ID)


@pytest.mark.parametrize(
    "answer",
    [
        response(b"500 Oops", b""),
        response(b"302 Found", b"", b"Location: /metadata/timestamp.json"),
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx",
        b"nonsense",
        OSError("broken"),
    ],
)
@pytest.mark.parametrize("place", ["role", "proof", "part"])
def test_whatever_breaks_behind_latest_stops_no_update(repository, world, answer, place):
    """The connection is over; the next poll goes on, and comes to an end."""
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


BAD = {
    "a schema": {"ID": {"exact": True, "numbers": ["x"]}},
    "a bomb": [encode_part("emergency", 0, {"ID": {"a": "b" * 3_000_000}})],
    "no xz": [b"hello"],
    "another part": [encode_part("emergency", 1, {})],
    "another kind": [encode_part("zones", 0, {})],
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_pack_leaves_the_old_one_in_use(repository, world, name):
    """It is told, and not asked for again, also when its role has a new version."""
    publish(repository)
    poll(world)
    bad = BAD[name]
    publish(
        repository,
        version=2,
        entries=bad if isinstance(bad, dict) else [*bad, *encode_parts("emergency", ID)[1:]],
    )
    (warning,) = poll(world).warnings
    assert warning.startswith("Version 2 of emergency is not used: ")
    assert used(world) == (1, ID)
    repository.publish("tables")
    assert not poll(world).warnings
    assert not [path for path in world.paths if path.startswith("/targets/")]
    publish(repository, version=3, entries=MORE)
    assert not poll(world).warnings
    assert used(world) == (3, MORE)


def test_the_share_decides_who_uses_and_never_who_fetches(repository):
    """Twenty-four phones send the same bytes; about half of them use the new pack."""
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
    # What comes back from the first version is fetched by all of them, or by none.
    publish(repository, entries=ID, version=3)
    for world in worlds:
        poll(world)
    assert len({tuple(world.sent) for world in worlds}) == 1
    assert {used(world)[0] for world in worlds} == {3}


@pytest.mark.parametrize(
    "custom",
    [
        {"hosts": [], "packs": {}, "schema": 2},
        {"hosts": ["b.example", "a.example"], "packs": {}, "schema": 1},
        {"hosts": [], "packs": {"greetings": {}}, "schema": 1},
        {"hosts": [], "packs": [], "schema": 1},
        {"hosts": ["localhost"], "packs": {}, "schema": 1},
        {"hosts": [], "packs": {"a": "b" * 1_100_000}, "schema": 1},
    ],
)
def test_a_malformed_index_is_told_and_what_is_held_goes_on(repository, world, custom):
    """A kind of the other role included."""
    publish(repository)
    poll(world)
    repository.signed["tables"].unrecognized_fields["custom"] = custom
    repository.publish("tables")
    assert len(poll(world).warnings) == 1
    assert used(world) == (1, ID)


@pytest.mark.parametrize(
    "changes",
    [
        {"start": -1},
        {"start": True},
        {"end": 0},
        {"start": 5, "end": 5},
        {"rollout": []},
        {"rollout": [[0, 1001]]},
        {"rollout": [[0, 5], [1, 4]]},
        {"sources": []},
        {"sources": [{"licence": "<b>", "name": "a", "version": "1"}]},
        {"title": {}},
        {"title": {"en": "\u202e"}},
        {"withdrawn": False},
        {"withdrawn": [0]},
        {"withdrawn": [2]},
        {"withdrawn": [1, 1]},
    ],
)
def test_a_malformed_pack_is_passed_over_alone(repository, world, changes):
    """The others of its role are used."""
    put_pack(repository, "zones", entries_of("zones"))
    publish(repository, **changes)
    (warning,) = poll(world).warnings
    assert warning.startswith("The pack emergency is skipped: ")
    assert used(world, "zones")[0] == 1
    assert not [path for path in world.paths if "/emergency/" in path]


def test_unknown_kinds_and_members_are_no_obstacle(repository, world):
    """A later server may say more than this phone knows."""
    custom = repository.signed["tables"].unrecognized_fields
    put_pack(repository, "emergency", ID, later="x")
    custom["custom"]["packs"]["weather"] = {"version": 1}
    custom["custom"]["more"] = [1]
    repository.publish("tables")
    assert not poll(world).warnings
    assert used(world) == (1, ID)


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
