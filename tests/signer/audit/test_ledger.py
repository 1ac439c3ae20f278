"""Entries of the log are compared with the served files, versions and proofs."""

import pytest

from signer.audit.findings import Kind
from signer.audit.memory import begin_memory
from tests.cases import case
from tests.signer.audit.public_tree import DictMirror, PublicTree, kinds, only, sha256


def test_unlogged_version_is_served(audit, tree) -> None:
    """A served version without an entry is reported."""
    data = tree.make_role("armani", 3)
    tree.publish_role("armani", 3, data)
    tree.publish_snapshot()
    done = audit(tree)
    assert kinds(done) == [Kind.PROOF, Kind.MISSING]
    assert done.findings.stored[1].evidence == {
        "role": "armani",
        "served": sha256(data),
        "version": 3,
    }


def test_superseded_version_differs_from_log(audit, tree) -> None:
    """A superseded version must have the logged bytes, too."""
    tree.files["/metadata/1.armani.json"] = other = tree.make_role("armani", 1, days=80)
    finding = only(audit(tree), Kind.MISMATCH)
    assert finding.evidence["index"] == 2
    assert finding.evidence["served"] == sha256(other) != finding.evidence["logged"]


def test_removed_superseded_versions(audit, tree):
    """Of each role only the current version and eight older ones are fetched."""
    for _ in range(20):
        tree.release("cancro")
    memory = audit(tree).memory
    for version in range(1, 13):
        del tree.files[f"/metadata/{version}.cancro.json"]
    mirror = DictMirror(tree.files)
    assert kinds(audit(mirror, memory)) == []
    fetched = [path for path in mirror.fetched if path.endswith(".cancro.json")]
    assert len(fetched) == 9
    assert len(memory.roles["cancro"].kept) == 9


def test_unknown_role(audit, tree) -> None:
    """The role of an entry must be delegated."""
    tree.append_entry("dior", 1, b"who is that")
    tree.release("latest")
    finding = only(audit(tree), Kind.UNKNOWN_ROLE)
    hashed = sha256(b"who is that")
    assert finding.evidence == {"index": 9, "role": "dior", "sha256": hashed, "version": 1}


def test_reserved_role(audit, tree) -> None:
    """A pending version of targets does not excuse reserved names."""
    for role in ("snapshot", "timestamp", "mirrors"):
        changed = tree.copy()
        changed.append_entry(role, 1, b"x")
        changed.append_entry("targets", 2, b"y")
        changed.release("latest")
        assert only(audit(changed), Kind.UNKNOWN_ROLE).evidence["role"] == role


def test_two_files_for_one_version(audit, tree) -> None:
    """The finding names both entries."""
    tree.append_entry("armani", 2, b"another armani 2")
    tree.write_log()
    finding = only(audit(tree), Kind.EQUIVOCATION)
    assert finding.evidence["indices"] == [7, 9]
    assert finding.evidence["sha256"][1] == sha256(b"another armani 2")


def test_two_files_for_one_version_in_two_audits(audit, tree) -> None:
    """The memory has the first file's entry."""
    memory = audit(tree).memory
    tree.append_entry("armani", 2, b"another armani 2")
    tree.write_log()
    assert only(audit(tree, memory), Kind.EQUIVOCATION).evidence["indices"] == [7, 9]


def test_falling_version(audit, tree) -> None:
    """A version below the role's highest is reported."""
    tree.fill(50)
    memory = audit(tree).memory
    tree.append_entry("latest", 7, b"superseded 7")
    tree.write_log()
    finding = only(audit(tree, memory), Kind.ORDER)
    assert finding.text == "Entry 59 is latest 7, after version 52 at entry 58."


def test_repeated_entry(audit, tree) -> None:
    """Two equal entries are reported."""
    tree.entries.append(tree.entries[7])
    tree.write_log()
    assert only(audit(tree), Kind.ORDER).evidence["indices"] == [7, 9]


def test_skipped_version(audit, tree) -> None:
    """Clients may have been shown the skipped versions."""
    tree.current["latest"] = 4
    tree.release("latest")
    assert only(audit(tree), Kind.MISSING).text == "The log skips from latest 2 to 5."


def test_first_version_is_skipped(audit, tree) -> None:
    """A role's first entry must be version 1."""
    tree.models = [*tree.models, "dior"]
    tree.current["dior"] = 2
    tree.release("targets", "dior")
    finding = only(audit(tree), Kind.MISSING)
    assert finding.text == "The log begins dior with version 3, at entry 10; 1 comes first."
    assert finding.evidence == {"indices": [10], "role": "dior", "versions": [0, 3]}


def test_two_files_for_superseded_version(audit, tree) -> None:
    """The log is read again to name the first entry, too."""
    tree.fill(300)
    memory = audit(tree).memory
    tree.append_entry("latest", 7, b"another latest 7")
    tree.write_log()
    for done in (audit(tree), audit(tree, memory)):
        finding = only(done, Kind.EQUIVOCATION)
        assert finding.evidence["indices"] == [13, 309]
        both = (b"superseded 7", b"another latest 7")
        assert finding.evidence["sha256"] == [*map(sha256, both)]


def test_repeated_superseded_version(audit, tree) -> None:
    """The same file again is no equivocation."""
    tree.fill(300)
    tree.append_entry("latest", 7, b"superseded 7")
    tree.write_log()
    assert only(audit(tree), Kind.ORDER).evidence["indices"] == [308, 309]


def test_two_files_for_superseded_version_with_wrong_tiles(audit, tree) -> None:
    """Only the order is reported if the first entry cannot be read."""
    tree.fill(300)
    memory = audit(tree).memory
    tree.append_entry("latest", 7, b"another latest 7")
    tree.write_log()
    path = "/log/tile/entries/000"
    tree.files[path] = tree.files[path].replace(b"tables", b"cancro")
    assert kinds(audit(tree, memory)) == [Kind.LOG, Kind.ORDER]


@pytest.mark.parametrize(
    ("pinned", "begin", "is_sound"), [(3, 3, True), (1, 1, True), (4, 3, False)]
)
def test_first_root_of_the_log(audit, pinned, begin, is_sound):
    """A server may have been set up with a later root, which is then pinned."""
    fresh = PublicTree()
    fresh.current["root"] = begin - 1
    fresh.release("root", "targets", "armani", "cancro", "tables", "content", "latest")
    while fresh.current["root"] < pinned:
        fresh.release("root")
    memory = begin_memory(fresh.files[f"/metadata/{pinned}.root.json"])
    done = audit(fresh, memory)
    assert kinds(done) == ([] if is_sound else [Kind.MISSING])


def test_malformed_entry(audit, tree):
    """Its bytes and index are reported, and the audit goes on."""
    rest = b"0" * 64 + b"\n"
    for leaf in (
        b"hello",
        b"hening role v1\narmani\n03\n" + rest,
        b"hening role v1\narmani\n0\n" + rest,
        b"hening role v1\nArmani\n3\n" + rest,
        b"hening role v1\narmani\n3\n" + rest + b"\n",
        b"hening role v2\narmani\n3\n" + rest,
        b"\xff" * 160,
    ):
        changed = tree.copy()
        changed.entries.append(leaf)
        changed.release("latest")
        with case(leaf):
            assert only(audit(changed), Kind.ENTRY).evidence == {"index": 9, "leaf": leaf.hex()}


def test_missing_or_wrong_proof(audit, tree):
    """Each current version needs the proof of its own entry."""
    proof = tree.files.pop("/log/proof/cancro.1")
    assert "not on the mirror" in only(audit(tree), Kind.PROOF).text
    tree.files["/log/proof/cancro.1"] = proof
    tree.write_proof("armani", 2, 6)
    assert only(audit(tree), Kind.PROOF).evidence["path"] == "/log/proof/armani.2"
