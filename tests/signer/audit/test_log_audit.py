"""Audits of a whole log: a valid one, repeated audits, forks and tiles."""

from datetime import timedelta

from server.core.tlog import verify_consistency
from signer.audit.findings import Kind
from signer.audit.memory import begin_memory, decode_memory, encode_memory
from tests.cases import case
from tests.signer.audit.public_tree import (
    LOG_KEYS,
    NOW,
    DictMirror,
    checkpoint,
    kinds,
    only,
    sha256,
    tiles_of,
    tree_hash,
)


def test_valid_log(audit, tree):
    """Everything is counted, and the memory has the size and root of the log."""
    done = audit(tree)
    assert kinds(done) == []
    assert done.entries_read == done.memory.size == 9
    assert done.memory.checkpoint.encode() == tree.files["/log/checkpoint"]
    assert done.memory.tree.root() == tree_hash(tree.leaves)
    # Root, targets, two versions of armani and of latest, one of cancro, tables and content.
    assert len(done.published.served) == 9
    assert done.proofs == 7
    assert done.pending == []


def test_second_audit_reads_only_new_entries(audit, tree) -> None:
    """Without new entries no tile is fetched and the memory stays equal."""
    memory = audit(tree).memory
    mirror = DictMirror(tree.files)
    done = audit(mirror, memory)
    assert done.memory == memory
    assert not any("/tile/" in path for path in mirror.fetched)
    tree.release("armani", "content")
    mirror = DictMirror(tree.files)
    done = audit(mirror, decode_memory(encode_memory(memory)))
    assert kinds(done) == []
    assert done.entries_read == 2
    assert done.memory.size == 11
    assert [path for path in mirror.fetched if "/tile/" in path] == ["/log/tile/entries/000.p/11"]


def test_ten_new_entries_take_one_tile(audit, tree):
    """After 7,000 entries an audit of ten more fetches one bundle."""
    tree.fill(7_000)
    memory = audit(tree).memory
    tree.fill(10)
    mirror = DictMirror(tree.files)
    done = audit(mirror, memory)
    assert kinds(done) == []
    assert (done.entries_read, done.memory.size) == (10, 7_019)
    assert len([path for path in mirror.fetched if "/tile/" in path]) == 1
    assert len(encode_memory(done.memory)) < 20_000


def test_audit_continues_at_tile_edges(audit, tree):
    """An audit continues after a full bundle and after one entry more or less."""
    for count in (246, 247, 248, 502, 503, 504, 1100):
        long = tree.copy()
        long.fill(count)
        with case(count):
            memory = audit(long).memory
            assert memory.size == 9 + count
            long.release("content")
            done = audit(long, memory)
            assert kinds(done) == []
            assert done.memory.tree.root() == tree_hash(long.leaves)


def test_partial_tile_replaced_by_full_tile(audit, tree):
    """If a partial tile is gone, the beginning of the full one is used."""
    tree.fill(240)
    old = tree.copy()
    tree.fill(100)
    name = "/log/tile/entries/000"
    files = old.files | {name: tree.files[name]}
    del files[f"{name}.p/249"]
    done = audit(DictMirror(files))
    assert kinds(done) == []


def test_new_log_key(audit, tree) -> None:
    """A new log key continues the same log."""
    memory = audit(tree).memory
    tree.log_keys = LOG_KEYS
    tree.release("root")
    for role, version in list(tree.current.items()):
        index = next(
            i
            for i, entry in enumerate(tree.entries)
            if entry.startswith(f"hening role v1\n{role}\n{version}\n".encode())
        )
        tree.write_proof(role, version, index)
    done = audit(tree, memory)
    assert kinds(done) == []
    assert done.published.root.version == 2
    tree.log_keys = LOG_KEYS[1:]
    tree.release("latest")
    done = audit(tree, done.memory)
    assert kinds(done) == []


def test_proof_under_former_log_key_is_refused(audit, tree) -> None:
    """After a change of the log key, proofs need a signature of the new one."""
    memory = audit(tree).memory
    tree.log_keys = LOG_KEYS
    tree.release("root")
    done = audit(tree, memory)
    assert set(kinds(done)) == {Kind.PROOF}
    assert "not signed by" in done.findings.stored[0].text


def test_fork_with_consistency_proof(audit, tree):
    """The finding has both checkpoints and a proof that is valid for the larger tree only."""
    tree.fill(300)
    memory = audit(tree).memory
    fork = tree.copy()
    fork.entries[5] = fork.entries[5].replace(b"content", b"cancro")
    fork.release("content")
    finding = only(audit(fork, memory), Kind.EQUIVOCATION)
    old, new = finding.evidence["checkpoints"]
    assert (old, new) == (memory.checkpoint, fork.files["/log/checkpoint"].decode())
    proof = [bytes.fromhex(each) for each in finding.evidence["consistency_proof"]]
    root = bytes.fromhex(finding.evidence["root_in_larger_tree"])
    assert root == tree_hash(fork.leaves[:309]) != tree_hash(tree.leaves)
    verify_consistency(309, root, 310, tree_hash(fork.leaves), proof)


def test_fork_of_the_same_size(audit, tree):
    """Two roots for one size need no proof."""
    memory = audit(tree).memory
    fork = tree.copy()
    fork.entries[-1] = fork.entries[-1].replace(b"latest\n2", b"latest\n3")
    fork.write_log()
    done = audit(fork, memory)
    assert Kind.EQUIVOCATION in kinds(done)
    evidence = next(f for f in done.findings.stored if f.kind is Kind.EQUIVOCATION).evidence
    assert evidence["checkpoints"] == [memory.checkpoint, fork.files["/log/checkpoint"].decode()]


def test_proof_from_forked_log(audit, tree) -> None:
    """The checkpoint of a role's proof must be consistent with the log."""
    fork = tree.copy()
    fork.entries[0] = fork.entries[0].replace(b"root", b"dior")
    fork.write_log()
    fork.write_proof("latest", 2, 8)
    proof = fork.files["/log/proof/latest.2"]
    tree.release("content")
    tree.files["/log/proof/latest.2"] = proof
    finding = only(audit(tree), Kind.EQUIVOCATION)
    assert finding.evidence["checkpoints"] == [
        fork.files["/log/checkpoint"].decode(),
        tree.files["/log/checkpoint"].decode(),
    ]


def test_proof_from_forked_log_at_a_later_audit(audit, tree) -> None:
    """The finding has a proof of the inconsistency."""
    fork = tree.copy()
    fork.entries[0] = fork.entries[0].replace(b"root", b"dior")
    fork.write_log()
    fork.write_proof("latest", 2, 8)
    tree.fill(300, "content")
    memory = audit(tree).memory
    tree.files["/log/proof/latest.2"] = fork.files["/log/proof/latest.2"]
    finding = only(audit(tree, memory), Kind.EQUIVOCATION)
    assert len(finding.evidence["consistency_proof"]) > 1


def test_proof_under_older_checkpoint(audit, tree) -> None:
    """A proof may be under an older checkpoint of the same log, which tiles show."""
    old = tree.copy()
    tree.fill(300, "content")
    memory = audit(tree).memory
    old.append_entry("content", 2, b"superseded 2")
    old.write_log()
    old.write_proof("cancro", 1, 3)
    tree.files["/log/proof/cancro.1"] = old.files["/log/proof/cancro.1"]
    mirror = DictMirror(tree.files)
    assert kinds(audit(mirror, memory)) == []
    assert any("/tile/0/" in path for path in mirror.fetched)


def test_rolled_back_log(audit, tree) -> None:
    """An older role version and a smaller tree are both reported."""
    stale = DictMirror(tree.files.copy())
    tree.release("content")
    memory = audit(tree).memory
    done = audit(stale, memory)
    assert kinds(done) == [Kind.ROLL_BACK, Kind.ROLL_BACK]
    assert "publishes version 1 of content" in done.findings.stored[0].text
    assert done.findings.stored[1].evidence["checkpoints"] == [
        memory.checkpoint,
        stale.files["/log/checkpoint"].decode(),
    ]


def test_stale_checkpoint(audit, tree) -> None:
    """A checkpoint older than the memory's is reported."""
    old = tree.files["/log/checkpoint"]
    tree.release("content")
    memory = audit(tree).memory
    tree.files["/log/checkpoint"] = old
    assert "stale" in only(audit(tree, memory), Kind.ROLL_BACK).text


def test_newest_signed_checkpoint_counts(audit, tree) -> None:
    """A role's proof may have a newer checkpoint than the file of the checkpoint."""
    memory = audit(tree).memory
    old = tree.files["/log/checkpoint"]
    tree.release("content")
    tree.files["/log/checkpoint"] = old
    done = audit(tree, memory)
    assert kinds(done) == []
    assert done.checkpoint.place == "/log/proof/content.2"


def test_changed_entry_is_located(audit, tree) -> None:
    """The first entry that differs from its hash is named."""
    path = "/log/tile/entries/000.p/9"
    tree.files[path] = tree.files[path].replace(b"cancro", b"armani")
    finding = only(audit(tree), Kind.LOG)
    assert "entry 3 is the first that differs" in finding.text


def test_changed_new_entry_is_located(audit, tree) -> None:
    """Entries since the last audit are located, too."""
    memory = audit(tree).memory
    tree.release("content")
    path = "/log/tile/entries/000.p/10"
    tree.files[path] = tree.files[path].replace(b"content\n2", b"cancro0\n2")
    assert "entry 9" in only(audit(tree, memory), Kind.LOG).text


def test_entries_of_another_tree(audit, tree) -> None:
    """Entries and hashes that agree must also have the signed root."""
    other = tree.copy()
    other.entries[5] = other.entries[5].replace(b"content", b"cancro")
    other.write_log()
    other.files["/log/checkpoint"] = tree.files["/log/checkpoint"]
    text = only(audit(other), Kind.LOG).text
    assert text == "The mirror's entries are not those of the log's tree of 9."


def test_fork_is_not_claimed_without_valid_tiles(audit, tree) -> None:
    """A fork that the mirror's tiles cannot prove is no equivocation."""
    memory = audit(tree).memory
    fork = tree.copy()
    fork.entries[5] = fork.entries[5].replace(b"content", b"cancro")
    fork.release("content")
    fork.files["/log/tile/0/000.p/10"] = bytes(320)
    assert "does not lead" in only(audit(fork, memory), Kind.LOG).text


def test_checkpoint_with_wrong_key_or_origin(audit, tree) -> None:
    """A checkpoint needs the log's key and origin."""
    tree.files["/log/checkpoint"] = checkpoint(tree.leaves, LOG_KEYS[1:])
    assert "not signed by" in only(audit(tree), Kind.LOG).text
    tree.files["/log/checkpoint"] = checkpoint(tree.leaves, origin="other.example/log")
    assert "not signed by" in only(audit(tree), Kind.LOG).text


def test_missing_tile(audit, tree) -> None:
    """A missing bundle is a finding; hash tiles are not needed."""
    for path in tiles_of([b"x"] * 9):
        changed = tree.copy()
        del changed.files[path]
        with case(path):
            assert (Kind.LOG in kinds(audit(changed))) == ("entries" in path)


def test_pending_version(audit, tree):
    """A logged version that is not served yet is a finding only at the second audit."""
    data = tree.make_role("armani", 3)
    tree.append_entry("armani", 3, data)
    tree.write_log()
    first = audit(tree)
    assert kinds(first) == []
    assert [(each.role, each.version) for each in first.pending] == [("armani", 3)]
    later = audit(tree, first.memory, NOW + timedelta(hours=1))
    assert later.pending == first.pending
    finding = only(later, Kind.PENDING)
    assert "since the audit of 2026-06-01 12:00:00 UTC" in finding.text
    hashed = sha256(data)
    assert finding.evidence == {"index": 9, "role": "armani", "sha256": hashed, "version": 3}
    tree.publish_role("armani", 3, data)
    tree.write_proof("armani", 3, 9)
    tree.publish_snapshot()
    done = audit(tree, later.memory, NOW + timedelta(hours=2))
    assert (kinds(done), done.pending) == ([], [])


def test_logged_version_was_never_served(audit, tree) -> None:
    """It is reported once, because the log keeps it."""
    memory = audit(tree).memory
    tree.append_entry("armani", 3, b"for one phone")
    tree.current["armani"] = 3
    tree.release("armani")
    for done in (audit(tree), audit(tree, memory)):
        finding = only(done, Kind.UNSERVED)
        hashed = sha256(b"for one phone")
        assert finding.evidence == {"index": 9, "role": "armani", "sha256": hashed, "version": 3}
        assert "shown to other clients" in finding.text
        assert done.pending == []
        # The log has it, so the next audit need not report it again.
        assert kinds(audit(tree, done.memory)) == []


def test_pending_version_was_never_served(audit, tree) -> None:
    """A version that was pending and then skipped is reported."""
    tree.append_entry("armani", 3, b"for one phone")
    tree.write_log()
    memory = audit(tree).memory
    tree.current["armani"] = 3
    tree.release("armani")
    assert only(audit(tree, memory), Kind.UNSERVED).evidence["version"] == 3


def test_unserved_version_is_superseded(audit, tree) -> None:
    """It is reported as long as it should be served."""
    tree.append_entry("armani", 3, b"for one phone")
    tree.current["armani"] = 3
    for _ in range(8):
        tree.release("armani")
    assert only(audit(tree), Kind.UNSERVED).evidence["version"] == 3
    tree.release("armani")
    assert kinds(audit(tree)) == []


def test_unserved_root(audit, tree) -> None:
    """A missing root before the pinned one is reported."""
    tree.release("root")
    tree.release("root")
    memory = begin_memory(tree.files["/metadata/3.root.json"])
    del tree.files["/metadata/2.root.json"]
    done = audit(tree, memory)
    assert only(done, Kind.UNSERVED).evidence["role"] == "root"


def test_version_superseded_during_the_audit(audit, tree):
    """A version that new log entries put out of service need not be served."""
    for _ in range(8):
        tree.release("armani")
    before = tree.copy()
    tree.append_entry("armani", 11, tree.make_role("armani", 11))
    tree.write_log()
    del before.files["/metadata/2.armani.json"]
    files = before.files | {p: d for p, d in tree.files.items() if p.startswith("/log/")}
    done = audit(DictMirror(files))
    assert kinds(done) == []
    assert [each.version for each in done.pending] == [11]


def test_new_model_is_pending(audit, tree):
    """A role may be logged before the targets version that delegates to it is public."""
    tree.models = [*tree.models, "dior"]
    targets, dior = tree.make_role("targets", 2), tree.make_role("dior", 1)
    tree.append_entry("dior", 1, dior)
    tree.append_entry("targets", 2, targets)
    tree.write_log()
    first = audit(tree)
    assert kinds(first) == []
    assert [each.role for each in first.pending] == ["dior", "targets"]
    gone_on = tree.copy()
    for role, version, data, index in (("targets", 2, targets, 10), ("dior", 1, dior, 9)):
        gone_on.publish_role(role, version, data)
        gone_on.write_proof(role, version, index)
    gone_on.publish_snapshot()
    done = audit(gone_on, first.memory)
    assert (kinds(done), done.pending) == ([], [])
    # If targets is published without the model, its role is undelegated.
    tree.models = tree.models[:2]
    tree.current["targets"] = 2
    tree.release("targets")
    assert Kind.UNKNOWN_ROLE in kinds(audit(tree, first.memory))


def test_pending_targets_excuses_no_later_role(audit, tree) -> None:
    """A role that is logged later is unknown."""
    tree.append_entry("targets", 2, tree.make_role("targets", 2))
    tree.write_log()
    first = audit(tree)
    assert first.findings.wrong == 0
    tree.append_entry("dior", 1, b"hidden")
    tree.write_log()
    done = audit(tree, first.memory)
    assert [f.kind for f in done.findings.stored if f.kind is Kind.UNKNOWN_ROLE] == ["unknown-role"]


def test_unknown_role_is_tolerated_once(audit, tree) -> None:
    """At the next audit it must be delegated, even if targets is pending again."""
    tree.append_entry("dior", 1, b"hidden")
    tree.append_entry("targets", 2, targets := tree.make_role("targets", 2))
    tree.write_log()
    first = audit(tree)
    assert first.findings.wrong == 0
    tree.publish_role("targets", 2, targets)
    tree.write_proof("targets", 2, 10)
    tree.publish_snapshot()
    tree.append_entry("targets", 3, tree.make_role("targets", 3))
    tree.write_log()
    assert Kind.UNKNOWN_ROLE in [f.kind for f in audit(tree, first.memory).findings.stored]
