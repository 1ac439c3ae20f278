"""The reasons to refuse a bundle."""

import hashlib
import shutil
from datetime import timedelta

import pytest
from tuf.api.metadata import Metadata, Targets

from server.core.errors import ReleaseError
from server.publisher import incoming
from server.publisher.publisher import Publisher
from tests.flows.cached_phones import NOTHING, CachedPhone, Edge
from tests.server.ceremony import MODELS, release
from tests.server.log_invariant import check_log
from tests.server.world import (
    CHANNEL,
    FIRST,
    PACKAGE_1,
    PACKAGE_2,
    SECOND,
    World,
    refresh_from_disk,
)


def refused(world: World, files, packages=()):
    """Publish a bundle that must be refused without any change, and return the reason."""
    before = {p: p.read_bytes() for p in world.folder.public.rglob("*") if p.is_file()}
    result = world.publish(files, packages)
    after = {p: p.read_bytes() for p in world.folder.public.rglob("*") if p.is_file()}
    assert before == after
    assert (result.status, result.snapshot) == ("refused", 0)
    assert list(world.folder.incoming.iterdir()) == []
    assert not world.folder.staging.exists()
    return result.reason


def armani(world, version=3, files=None, **changes):
    """Sign a version of armani with two releases; `changes` apply to the second."""
    second = {SECOND: (PACKAGE_2, release(2, **changes))}
    return {("armani", version): world.ceremony.role("armani", version, files or first() | second)}


def first(**changes):
    """Return the first release as a file, with changes."""
    return {FIRST: (PACKAGE_1, release(1, **changes))}


def signed(world, name, version=3, signers=None, **changes):
    """Sign an empty role with other signers or members."""
    role = Targets(version, None, world.ceremony.now + timedelta(days=90))
    for member, value in changes.items():
        setattr(role, member, value)
    return {(name, version): world.ceremony.sign(name, role, signers)}


def test_versions(world):
    """A skipped version, an old one with other bytes, and a wrong version number are refused.

    The right version is published, and submitting it again is no error.
    """
    mislabelled = {("armani", 3): armani(world, 4)["armani", 4]}
    for files, number in ((armani(world, 4), 4), (armani(world, 2), 2), (mislabelled, 4)):
        reason = refused(world, files, [PACKAGE_2])
        assert f"armani {number} was submitted; 3 comes next" in reason
    for _ in range(2):
        result = world.publish(armani(world), [PACKAGE_2])
        assert (result.status, result.reason) == ("published", "")
        assert result.snapshot == world.published().snapshot.version
    assert refresh_from_disk(world.folder, [SECOND])[1][SECOND] == PACKAGE_2


def test_wrong_signers(world):
    """Keys of another model, foreign keys and too few signatures are refused."""
    ceremony = world.ceremony
    for signers in (ceremony.keys["cancro"], ceremony.keys["root"], [world.keys.signers["latest"]]):
        reason = refused(world, signed(world, "armani", signers=signers))
        assert "armani 3 does not have the required signatures" in reason
    one = ceremony.keys["tables"][:1]
    assert "tables 2 does not have the required signatures" in refused(
        world, signed(world, "tables", 2, one)
    )
    twice = [*one, *one]
    assert "tables 2 does not have the required signatures" in refused(
        world, signed(world, "tables", 2, twice)
    )


def test_invalid_role_content(world):
    """Foreign paths, delegations, unknown schemas and changes of public releases are refused."""
    foreign = first() | {"cancro/id/stable/a.zip": (PACKAGE_2, release(2))}
    assert "not a path of this role" in refused(world, armani(world, files=foreign), [PACKAGE_2])
    assert "schema '2'" in refused(world, armani(world, schema=2), [PACKAGE_2])
    delegations = world.published().targets.delegations
    reason = refused(world, signed(world, "armani", delegations=delegations))
    assert "delegates to other roles" in reason
    assert "is changed" in refused(world, armani(world, files=first(sdk_level=35)))


def test_withdrawal_halts_the_offer(world):
    """Withdrawing a release halts the pointer that offers it, in the same publication."""
    published = world.published()
    assert not published.pointers()[CHANNEL.pointer_path].halted
    assert world.publish(armani(world, files=first(withdrawn=True))).reason == ""
    after = world.published()
    assert after.timestamp.version == published.timestamp.version + 1
    pointer = after.pointers()[CHANNEL.pointer_path]
    assert (pointer.halted, pointer.reason) == (True, {"en": "This release was withdrawn."})
    # An online edit cannot offer it again.
    with pytest.raises(ReleaseError, match="which is withdrawn"):
        world.run(lambda publisher: publisher.change_pointers(lambda _p: published.pointers()))


def test_chain_with_expired_versions(world):
    """Of a chain of versions, only the last one must not be expired."""
    past = world.ceremony.now - timedelta(days=1)
    roots = {("root", 2): world.ceremony.root(2, expires=past)}
    assert "root 2 expired on" in refused(world, roots)
    roots |= {("root", 3): world.ceremony.root(3)}
    role = signed(world, "cancro", 2, expires=past)
    assert "cancro 2 expired on" in refused(world, roots | role)
    role |= signed(world, "cancro", 3)
    assert world.publish(roots | role).reason == ""
    after = world.published()
    assert (after.root.version, after.roles["cancro"].version) == (3, 3)


def test_unreadable_bundle_does_not_delay_others(world, monkeypatch):
    """A bundle with a disk error is postponed and logged once; others are published."""
    bad = world.submit(armani(world), [PACKAGE_2])
    good = world.submit({("tables", 2): world.ceremony.role("tables", 2)})
    load = incoming.load_submission
    begun = world.now()
    monkeypatch.setattr(type(world), "now", lambda self: begun + self.ahead)

    def fail(folder):
        if folder.name == bad:
            raise PermissionError(13, "Permission denied")
        return load(folder)

    async def act(publisher):
        monkeypatch.setattr(incoming, "load_submission", fail)
        assert [result.id for result in await publisher.process_incoming()] == [good]
        assert await publisher.process_incoming() == []
        world.ahead += timedelta(seconds=2)
        assert await publisher.process_incoming() == []
        assert len(world.alarms) == 1
        monkeypatch.setattr(incoming, "load_submission", load)
        assert await publisher.process_incoming() == []  # the second pause is longer
        world.ahead += timedelta(seconds=2)
        assert [result.id for result in await publisher.process_incoming()] == [bad]

    world.run(act)
    assert world.result(bad).status == "published"
    assert list(world.folder.incoming.iterdir()) == []


def test_bundle_that_cannot_be_removed(world, monkeypatch):
    """A bundle that cannot be removed is processed once; submitted again, once more."""
    remove, bundle = incoming.hide_bundle, armani(world, 4)
    bundle_id = world.submit(bundle, [PACKAGE_2])
    good = world.submit({("tables", 2): world.ceremony.role("tables", 2)})

    def fail(folder, trash):
        if folder.name == bundle_id:
            raise PermissionError(13, "Permission denied")
        return remove(folder, trash)

    monkeypatch.setattr(incoming, "hide_bundle", fail)
    results = world.run(Publisher.process_incoming)
    assert {result.id for result in results} == {bundle_id, good}
    assert world.run(Publisher.process_incoming) == []
    assert len(world.alarms) == 2  # one by each process
    assert all("cannot be removed" in alarm for alarm in world.alarms)
    monkeypatch.setattr(incoming, "hide_bundle", remove)
    assert world.run(Publisher.process_incoming) == []
    assert list(world.folder.incoming.iterdir()) == []
    world.submit(bundle, [PACKAGE_2])
    assert [result.id for result in world.run(Publisher.process_incoming)] == [bundle_id]


def test_blob_without_a_record_is_not_used(world):
    """A blob that was copied into the store by hand has no record, so it is not published."""
    sha256 = hashlib.sha256(PACKAGE_2).hexdigest()
    path = world.folder.blobs / sha256[:2] / sha256
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * len(PACKAGE_2))
    reason = refused(world, armani(world))
    assert reason == f"the blob of {SECOND} is neither in the bundle nor in the store."
    world.ceremony.blobs[sha256] = PACKAGE_1
    assert "the blob" in refused(world, armani(world), [PACKAGE_1])


def test_models_and_their_delegations(world):
    """A model cannot be dropped, and a new model needs its role's metadata.

    A delegation to a missing role would break the model's phones.
    """
    ceremony = world.ceremony
    files = {("targets", 2): ceremony.targets(2, MODELS[:1])}
    assert "no longer delegates to cancro" in refused(world, files)
    ceremony.keys["dior"] = ceremony.keys["cancro"]
    files = {("targets", 2): ceremony.targets(2, (*MODELS, "dior"))}
    assert "no metadata for dior" in refused(world, files)
    both = files | {("dior", 1): ceremony.role("dior", 1)}
    assert world.publish(both).reason == ""


def test_new_keys_need_a_new_role_version(world):
    """New keys of a model are refused unless its role is signed with them."""
    ceremony = world.ceremony
    for name in ("armani", "cancro"):  # one role with releases, one without
        kept = ceremony.keys[name]
        ceremony.keys[name] = ceremony.keys["content"]
        files = {("targets", 2): ceremony.targets(2)}
        assert "audit" in refused(world, files)
        version = world.published().roles[name].version + 1
        again = {(name, version): ceremony.role(name, version, first() if name == "armani" else {})}
        copy = world.copy(world.folder.root.with_name(f"rotated-{name}"))
        assert copy.publish(files | again).reason == ""
        ceremony.keys[name] = kept


def test_roots(world):
    """A root must follow its predecessor, obey the profile and name this server's keys."""
    ceremony = world.ceremony
    assert "root 3 does not follow root 1" in refused(world, {("root", 3): ceremony.root(3)})
    one = {("root", 2): ceremony.root(2)}
    weak = ceremony.sign("root", world.published().root, ceremony.keys["root"][:1])
    assert "root 1 does not follow" in refused(world, {("root", 2): weak})
    custom = {"schema": 1, "log": str(world.keys.log_verifier).replace("hening", "others")}
    assert "root" in refused(world, {("root", 2): ceremony.root(2, unrecognized_fields={})})
    reason = refused(world, {("root", 2): ceremony.root(2, unrecognized_fields={"custom": custom})})
    assert "log key" in reason
    assert world.publish(one).reason == ""
    assert (world.folder.public / "metadata" / "2.root.json").is_file()
    assert refresh_from_disk(world.folder, [FIRST])[1][FIRST] == PACKAGE_1


def test_root_under_another_version(world):
    """A bundle that names another version of a root is refused; the real one is then accepted."""
    data, third = world.ceremony.root(2), world.ceremony.root(3)
    for claimed in (1, 3, 9):
        reason = refused(world, {("root", claimed): data})
        assert reason == f"the bundle calls root 2 root {claimed}: submit it as it was signed."
    assert "calls root 3 root 4" in refused(world, {("root", 2): data, ("root", 4): third})
    assert world.publish({("root", 2): data}).reason == ""
    assert (world.folder.public / "metadata" / "2.root.json").read_bytes() == data


def test_first_submission(fresh):
    """The first submission needs the pinned root and every role."""
    files = fresh.first_roles()
    for missing in files:
        rest = {name: data for name, data in files.items() if name != missing}
        assert fresh.publish(rest).status == "refused"
        assert fresh.published() is None
    other = files | {("root", 1): fresh.ceremony.root(expires=fresh.now() + timedelta(days=9))}
    assert "pinned root" in fresh.publish(other).reason
    rest = {name: data for name, data in files.items() if name[0] != "root"}
    seventh = rest | {("root", 7): files["root", 1]}
    assert "the bundle calls root 1 root 7" in fresh.publish(seventh).reason
    assert fresh.published() is None
    assert fresh.publish(files).reason == ""


def test_reason_that_cannot_be_encoded(world):
    """A role with text that cannot be encoded is refused, and the next bundle is published."""
    hostile = b'"\\ud800' + b"a" * 5000 + b'":1,"spec_version"'
    for number, text in enumerate((b'"spec_version"', b'"_type"')):
        data = armani(world)["armani", 3].replace(text, hostile.replace(b'"spec_version"', text))
        assert data.count(b"ud800") == 1
        bundle_id = world.submit({("armani", 3 + number): data})
    good = world.submit({("tables", 2): world.ceremony.role("tables", 2)})
    world.run(Publisher.process_incoming)
    assert world.result(bundle_id).status == "refused"
    assert world.result(good).status == "published"


def test_burned_version_is_skipped(world):
    """A version that is in the log with other bytes is refused, and later versions are accepted."""
    phone = CachedPhone(Edge(world, keeps=NOTHING))
    assert phone.update() == FIRST
    world.submit(armani(world), [PACKAGE_2])
    for action in (Publisher.process_incoming, lambda p: p.change_pointers(lambda _published: {})):
        world.stop_after(4, action)
        shutil.rmtree(world.folder.staging)  # as if an operator discarded the publication
        shutil.rmtree(world.folder.incoming)
        world.folder.incoming.mkdir()
    reason = refused(world, armani(world, sdk_level=35), [PACKAGE_2])
    assert "armani 3 is in the log with other bytes and is burned" in reason
    # Exactly the burned version may be skipped, alone or with later ones.
    assert "armani 5 was submitted; 3 comes next" in refused(world, armani(world, 5), [PACKAGE_2])
    chain = armani(world, 4) | armani(world, 5)
    assert world.copy(world.folder.root.with_name("chain")).publish(chain, [PACKAGE_2]).reason == ""
    other = world.copy(world.folder.root.with_name("appended"))
    assert other.publish(armani(other), [PACKAGE_2]).reason == ""
    assert world.publish(armani(world, 4, sdk_level=35), [PACKAGE_2]).reason == ""
    assert world.published().roles["armani"].version == 4
    assert refresh_from_disk(world.folder, [SECOND])[1][SECOND] == PACKAGE_2
    assert "armani 4 was submitted; 5 comes next" in refused(world, armani(world, 4), [PACKAGE_2])
    world.run(lambda publisher: publisher.change_pointers(world.offer(2)))
    assert world.published().roles["latest"].version == 4  # version 3 is burned
    assert phone.update() == SECOND
    leaves = check_log(world.folder, world.keys.log_verifier.public)
    assert [leaf[:2] for leaf in leaves[-4:]] == [
        ("armani", 3),
        ("latest", 3),
        ("armani", 4),
        ("latest", 4),
    ]


def pruned(world, version, files, floor):
    """Sign a version of armani whose floor is above the removed builds."""
    role = Metadata.from_bytes(world.ceremony.role("armani", version, files)).signed
    time = release(floor - 1)["post_timestamp"]
    role.unrecognized_fields["custom"] = {"floor": floor, "floor_time": time, "schema": 1}
    return {("armani", version): world.ceremony.sign("armani", role)}


def test_offered_builds_cannot_be_removed(world):
    """A build can be removed only after a newer one was rolled out."""
    second = {SECOND: (PACKAGE_2, release(2))}
    assert world.publish(armani(world, files=first() | second), [PACKAGE_2]).reason == ""
    reason = refused(world, pruned(world, 4, second, 2))
    assert reason == (
        f"{CHANNEL} still offers {FIRST}, which armani no longer lists: roll out a newer build"
        " there first."
    )
    world.run(lambda publisher: publisher.change_pointers(world.offer(2)))
    assert world.publish(pruned(world, 4, second, 2)).reason == ""
    assert list(world.published().roles["armani"].targets) == [SECOND]
    assert "floor falls" in refused(world, armani(world, 5, second))


def test_retired_model_has_no_pointer(world):
    """A retired model's role stays, but its pointer is removed.

    A release with a higher counter may follow.
    """
    assert CHANNEL.pointer_path in world.published().pointers()
    assert world.publish(pruned(world, 3, {}, 2)).reason == ""
    published = world.published()
    assert published.pointers() == {}
    assert "armani.json" in published.snapshot.meta
    again = {SECOND: (PACKAGE_2, release(2))}
    assert world.publish(pruned(world, 4, again, 2), [PACKAGE_2]).reason == ""
    world.run(lambda publisher: publisher.change_pointers(world.offer(2)))
    assert CHANNEL.pointer_path in world.published().pointers()
