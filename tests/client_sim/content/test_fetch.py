"""Packs in polls: what is asked for, in which order, and what is used behind it."""

import hashlib

import pytest

from client_sim.content.checks import check_entries
from client_sim.content.kinds import KINDS
from client_sim.content.plan import plan_rollback
from client_sim.content.store import Store
from client_sim.device.client import PollingClient
from client_sim.device.errors import ContentError, StateError, StorageError
from tests.client_sim.content.packs import encode_part, encode_parts, put_pack
from tests.client_sim.device.fake_world import FakeWorld, PowerCutError, State
from tests.client_sim.device.repository_simulator import START, response
from tests.server.core.content.samples import PICTURE, entries_of

POLL = ["/metadata/2.root.json", "/metadata/timestamp.json"]
ID = {"ID": {"exact": True, "numbers": ["112"]}}
MORE = {**ID, "DE": {"exact": False, "numbers": ["110", "112"]}}


def poll(world):
    """Poll; the outcome, whose update decision must not have failed."""
    world.sent.clear()
    outcome = PollingClient(world).poll()
    assert outcome.failure is None
    return outcome


def used(world, kind="emergency"):
    """Return the version in use and its entries."""
    pack, entries = Store(world.state).load_used(KINDS[kind])
    return pack.version, entries


def publish(repository, kind="emergency", entries=ID, version=1, **changes):
    """Publish a pack; returns the paths of its parts."""
    paths = put_pack(repository, kind, entries, version, **changes)
    repository.publish(KINDS[kind].role)
    return paths


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
    assert [path.split("/")[3] for path in paths] == sorted(
        (path.split("/")[3] for path in paths),
        key=list(KINDS).index,
    )
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
    assert outcome.warnings == ("Part 2 of the pack emergency does not come.",)
    with pytest.raises(ContentError, match="has no emergency"):
        used(world)
    assert not [name for name in world.state if name.startswith("part.")]
    repository.files[paths[2]] = gone
    poll(world)
    assert world.paths[:6] == [*POLL, *paths]
    assert used(world) == (1, ID)
    assert used(world, "zones") == (1, entries_of("zones"))


@pytest.mark.parametrize("answer", [response(b"404 Not Found", b""), OSError("cut")])
def test_which_parts_came_is_carried_back_to_nobody(repository, world, answer):
    """Whichever a server keeps back from a phone, it then asks as one that had got none."""
    paths = publish(repository)
    asked = []
    for kept_back in ([0], [1, 2], [3], []):
        repository.overrides = {paths[number]: answer for number in kept_back}
        poll(world)
        asked.append([path for path in world.paths if path.startswith("/targets/")][:1])
    assert asked == [paths[:1]] * 4
    assert used(world) == (1, ID)


@pytest.mark.parametrize("data", [b"", b"x", encode_part("emergency", 1, {}) + b"x"])
def test_a_part_that_is_not_the_signed_one_is_not_kept(repository, world, data):
    """Of whatever length; it is asked for again."""
    paths = publish(repository)
    good = repository.files[paths[1]]
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
    assert warning.startswith("The pack emergency is passed over: ")
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


class FullDisk(State):
    """A state that stores no more than `room` new values whose names begin with `prefix`."""

    def __init__(self, held, prefix, room):
        super().__init__(held)
        self.prefix, self.room = prefix, room

    def __setitem__(self, name, value):
        if name.startswith(self.prefix) and name not in self:
            if not self.room:
                message = "The phone's disk failed: no space left."
                raise StorageError(message)
            self.room -= 1
        super().__setitem__(name, value)


@pytest.mark.parametrize("prefix", ["part.", "contents."])
def test_how_full_a_disk_is_does_not_show(repository, world, prefix):
    """All missing parts of both roles are asked for, in this poll and the next; it is told."""
    paths = publish(repository) + publish(repository, "zones", entries_of("zones"))
    paths += publish(repository, "greetings", entries_of("greetings"))
    poll(world)
    asked = [path for path in world.paths if path.startswith("/targets/")]
    assert asked == paths
    everything = len([name for name in world.state if name.startswith(prefix)])
    assert everything > 1
    sent = set()
    for room in range(everything):
        full = FakeWorld(repository)
        full.state = FullDisk({}, prefix, room)
        for _ in range(2):
            outcome = poll(full)
            assert any("no space left" in warning for warning in outcome.warnings)
            sent.add(tuple(path for path in full.paths if path.startswith("/targets/")))
        full.state.room = everything
        assert not poll(full).warnings
        assert used(full) == (1, ID)
        assert used(full, "greetings") == (1, entries_of("greetings"))
    assert len(sent) <= 3  # tables and content, or one of them
    assert tuple(paths) in sent


@pytest.mark.parametrize("data", [b"", b"x", b"{}\n", b"1\n"])
def test_a_damaged_record_is_fetched_again(repository, world, data):
    """All of its role, in that poll; the other role is as it was."""
    paths = publish(repository)
    publish(repository, "notices", entries_of("notices"), hosts=["example.com"])
    poll(world)
    world.state["contents.tables"] = data
    (warning,) = poll(world).warnings
    assert warning.startswith("What the phone held of tables is damaged;")
    assert world.paths == [*POLL, *paths]
    assert used(world) == (1, ID)
    assert used(world, "notices") == (1, entries_of("notices"))
    assert not poll(world).warnings
    assert world.paths == POLL


@pytest.mark.parametrize("asks", [True, False])
def test_a_damaged_part_is_fetched_again(repository, world, asks):
    """With all of its kind in the next poll, whether its owner has asked for it or not."""
    paths = publish(repository)
    publish(repository, "zones", entries_of("zones"))
    poll(world)
    damage(world, paths[0])
    if asks:
        with pytest.raises(StateError, match="held of emergency is damaged"):
            used(world)
        assert used(world, "zones") == (1, entries_of("zones"))
    (warning,) = poll(world).warnings
    assert warning == "What the phone held of emergency is damaged; its polls fetch it again."
    assert world.paths == [*POLL, *paths]
    assert used(world) == (1, ID)
    assert not poll(world).warnings
    assert world.paths == POLL


def damage(world, path):
    """Change a part where it is stored."""
    world.state["part." + path.rpartition("/")[2].split(".")[0]] += b"x"


def test_a_damaged_part_that_a_new_pack_still_has(repository, world):
    """All parts of its kind are fetched, of the others what changed; all of it is used at once."""
    paths = publish(repository)
    before = publish(repository, "zones", entries_of("zones"))
    poll(world)
    damage(world, paths[0])
    paths = publish(repository, entries=MORE, version=2)
    zones = {**entries_of("zones"), "WIB": entries_of("zones")["Asia/Jakarta"]}
    changed = [path for path in put_pack(repository, "zones", zones, 2) if path not in before]
    repository.publish("tables")
    paths += changed + publish(repository, "greetings", entries_of("greetings"))
    (warning,) = poll(world).warnings
    assert warning == "What the phone held of emergency is damaged; its polls fetch it again."
    assert [path for path in world.paths if path.startswith("/targets/")] == paths
    assert len(changed) == 1
    assert (used(world), used(world, "zones")) == ((2, MORE), (2, zones))
    assert used(world, "greetings") == (1, entries_of("greetings"))
    assert not poll(world).warnings
    assert world.paths == POLL


class RottingDisk(State):
    """A state in which one part is not what was stored, `times` times."""

    def __init__(self, sha256, times):
        super().__init__()
        self.sha256, self.times = sha256, times

    def __setitem__(self, name, value):
        if name == f"part.{self.sha256}" and self.times:
            self.times -= 1
            value += b"x"
        super().__setitem__(name, value)


def test_a_part_that_rots_as_it_is_stored_fails_its_kind_alone(repository, world):
    """The others of its role are used; its own parts, all of them, are asked for in each poll."""
    paths = publish(repository)
    publish(repository, "zones", entries_of("zones"))
    world.state = RottingDisk(paths[1].rpartition("/")[2].split(".")[0], 2)
    (warning,) = poll(world).warnings
    assert warning.startswith("What the phone held of emergency is damaged")
    assert used(world, "zones") == (1, entries_of("zones"))
    assert poll(world).warnings
    assert world.paths == [*POLL, *paths]
    assert not poll(world).warnings
    assert world.paths == [*POLL, *paths]
    assert used(world) == (1, ID)


@pytest.mark.parametrize("error", [MemoryError(), KeyError("x"), RuntimeError("no thread")])
def test_only_what_a_pack_says_is_held_against_it(repository, world, monkeypatch, error):
    """A phone without memory judges it in the next poll, which asks for nothing of it."""
    publish(repository)
    publish(repository, "zones", entries_of("zones"))

    def fail(kind, *arguments, **options):
        if kind == "emergency":
            raise error
        check_entries(kind, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr("client_sim.content.fetch.check_entries", fail)
        (warning,) = poll(world).warnings
    assert warning.startswith("Version 1 of emergency could not be looked at")
    assert repr(error) in warning
    assert used(world, "zones") == (1, entries_of("zones"))
    with pytest.raises(ContentError, match="no emergency yet"):
        used(world)
    assert not poll(world).warnings
    assert world.paths == POLL
    assert used(world) == (1, ID)


def test_a_disk_that_holds_nothing_ends_each_poll_at_the_same_place(world):
    """Behind the first thing that has to be kept; nothing else is asked for."""
    world.state = FullDisk({}, "", 0)
    asked = []
    for _ in range(2):
        world.sent.clear()
        assert isinstance(PollingClient(world).poll().failure, StorageError)
        asked.append(world.paths)
    assert asked == [POLL, POLL]


def test_a_part_that_cannot_be_read_is_fetched_again(repository, world):
    """A sector of the disk is bad until something is written there."""
    paths = publish(repository)
    poll(world)
    bad = {"part." + paths[2].rpartition("/")[2].split(".")[0]}

    class BadDisk(State):
        def get(self, name, default=None):
            if name in bad:
                message = "The phone's disk failed: input/output error."
                raise StorageError(message)
            return super().get(name, default)

        def __setitem__(self, name, value):
            bad.discard(name)
            super().__setitem__(name, value)

    world.state = BadDisk(world.state)
    assert poll(world).warnings
    assert world.paths == [*POLL, *paths]
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
        except PowerCutError:
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


def test_where_power_was_lost_is_carried_back_to_nobody(repository, world):
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
    """Nothing is asked for behind it, and no part is kept that nobody needs."""
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
