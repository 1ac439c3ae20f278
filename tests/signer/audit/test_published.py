"""Invalid metadata is a finding, and the log is read nevertheless."""

from datetime import timedelta

import pytest
from tuf.api.metadata import MetaFile, Snapshot, TargetFile, Targets

from signer.audit.findings import Kind, MirrorUnavailableError
from tests.cases import case
from tests.signer.audit.public_tree import NOW, DictMirror, kinds, leaf_hash_of, only


def test_expired_metadata(audit, tree):
    """Expired metadata is reported and still compared with the log."""
    done = audit(tree, now=NOW + timedelta(days=100))
    assert set(kinds(done)) == {Kind.EXPIRED}
    assert done.findings.total == 8
    assert done.entries_read == 9


def test_role_with_wrong_keys(audit, tree) -> None:
    """The file of another role is reported."""
    tree.files["/metadata/1.cancro.json"] = tree.files["/metadata/1.tables.json"]
    assert kinds(audit(tree)) == [Kind.METADATA, Kind.PROOF, Kind.MISMATCH]


def test_role_with_wrong_version(audit, tree) -> None:
    """A file with another version than its name is reported."""
    tree.files["/metadata/2.armani.json"] = tree.files["/metadata/1.armani.json"]
    done = audit(tree)
    assert kinds(done) == [Kind.METADATA, Kind.PROOF, Kind.MISMATCH]
    assert done.findings.stored[0].text == "2.armani.json holds version 1."


def test_root_that_skips_a_version(audit, tree) -> None:
    """A root that does not follow is not trusted."""
    tree.files["/metadata/2.root.json"] = tree.make_root(3)
    done = audit(tree)
    assert Kind.METADATA in kinds(done)
    assert done.published.root.version == 1


def test_other_first_root(audit, tree) -> None:
    """Another root with the pinned version is an equivocation."""
    tree.files["/metadata/1.root.json"] = tree.make_root(1, days=300)
    done = audit(tree)
    assert Kind.EQUIVOCATION in kinds(done)
    assert Kind.MISMATCH in kinds(done)


def test_rolled_back_role(audit, tree) -> None:
    """A version below the memory's is reported."""
    memory = audit(tree).memory
    tree.current["armani"] = 1
    tree.publish_snapshot()
    assert only(audit(tree, memory), Kind.ROLL_BACK).evidence == {
        "published": 1,
        "role": "armani",
        "seen": 2,
    }


def test_role_with_invalid_targets(audit, tree):
    """A signed and logged role must still follow the profile."""
    for role, path in (
        ("latest", "latest/armani/id/stable"),
        ("latest", "armani/id/stable"),
        ("armani", "armani/id/stable/a.zip"),
        ("armani", "cancro/id/stable/a.zip"),
        ("tables", "tables/apn/00.xz"),
    ):
        changed, target = tree.copy(), TargetFile(1, {"sha256": "0" * 64}, path)
        version = changed.current[role] + 1
        signed = Targets(version, None, NOW + timedelta(days=3), targets={path: target})
        data = changed.sign(role, signed)
        changed.make_role = lambda *_arguments, data=data: data
        changed.release(role)
        with case(role, path):
            found = only(audit(changed), Kind.METADATA)
            assert found.evidence == {"role": role, "version": version}


def test_invalid_snapshot(audit, tree):
    """A snapshot with invalid versions or names is not followed."""
    for meta in (
        {"armani.json": 1},
        {"targets.json": 1, "root.json": 1},
        {"targets.json": True},
        {"targets.json": 2**53},
        {"targets.json": 1, "../etc/passwd": 1},
    ):
        files = {name: MetaFile(version) for name, version in meta.items()}
        snapshot = Snapshot(tree.online, None, NOW + timedelta(days=1), meta=files)
        path = f"/metadata/{tree.online}.snapshot.json"
        mirror = DictMirror(tree.files | {path: tree.sign("snapshot", snapshot)})
        with case(meta):
            assert kinds(audit(mirror)) == [Kind.METADATA]
            assert not any("passwd" in path for path in mirror.fetched)


def test_too_many_roots(audit, tree, monkeypatch):
    """An audit follows a limited number of new roots and reports the rest."""
    for _ in range(5):
        tree.release("root")
    assert audit(tree).published.root.version == 6
    monkeypatch.setattr("signer.audit.published.MAX_ROOTS", 3)
    done = audit(tree)
    assert done.published.root.version == 4
    assert "more than 3 new roots" in done.findings.stored[0].text


def test_empty_mirror(audit) -> None:
    """An empty mirror is not a valid log."""
    assert kinds(audit(DictMirror({}))) == [Kind.METADATA, Kind.LOG]


def test_mirror_becomes_unavailable(audit, tree) -> None:
    """Findings before the failure are reported; without one the error is raised."""
    with pytest.raises(MirrorUnavailableError):
        audit(UnavailableMirror(tree.files))
    del tree.files["/log/proof/cancro.1"]
    done = audit(UnavailableMirror(tree.files))
    assert kinds(done) == [Kind.PROOF, Kind.LOG]
    assert done.findings.stored[1].text == "The audit could not be completed: The mirror is away."


def test_fork_is_found_without_timestamp(audit, tree) -> None:
    """The log is compared even if the metadata is missing."""
    memory = audit(tree).memory
    del tree.files["/metadata/timestamp.json"]
    tree.entries[5] = tree.entries[5].replace(b"content", b"cancro")
    tree.entries.append(b"more")
    tree.write_log()
    assert Kind.EQUIVOCATION in kinds(audit(tree, memory))
    assert leaf_hash_of(b"more") == tree.leaves[-1]


class UnavailableMirror(DictMirror):
    """A mirror that fails when a tile is fetched."""

    def fetch(self, path, limit):
        """Raise if a tile is fetched."""
        if "/tile/" in path:
            raise MirrorUnavailableError("The mirror is away.")
        return super().fetch(path, limit)
