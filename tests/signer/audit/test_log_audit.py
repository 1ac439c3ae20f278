"""Audits of a whole log: a sound one, how audits go on from one another, forks and tiles."""

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
    mth,
    only,
    sha256,
    tiles_of,
)


def test_a_log_in_which_nothing_is_wrong(audit, tree):
    """Everything is counted, and the memory ends where the log ends."""
    done = audit(tree)
    assert kinds(done) == []
    assert done.entries_read == done.memory.size == 9
    assert done.memory.checkpoint.encode() == tree.files["/log/checkpoint"]
    assert done.memory.tree.root() == mth(tree.leaves)
    # Root, targets, two versions of armani and of latest, one of cancro, tables and content.
    assert len(done.published.served) == 9
    assert done.proofs == 7
    assert done.pending == []


def test_the_next_audit_reads_only_what_is_new(audit, tree) -> None:
    """The memory is enough to go on from; where nothing is new it stays, but for its time."""
    memory = audit(tree).memory
    mirror = DictMirror(tree.files)
    done = audit(mirror, memory)
    assert done.memory == memory
    assert not any("/tile/" in path for path in mirror.asked)
    memory = audit(tree).memory
    tree.release("armani", "content")
    mirror = DictMirror(tree.files)
    done = audit(mirror, decode_memory(encode_memory(memory)))
    assert kinds(done) == []
    assert done.entries_read == 2
    assert done.memory.size == 11
    assert [path for path in mirror.asked if "/tile/" in path] == ["/log/tile/entries/000.p/11"]


def test_ten_new_entries_in_a_long_log_take_a_few_tiles(audit, tree):
    """After 7,000 entries an audit of ten more fetches one bundle."""
    tree.fill(7_000)
    memory = audit(tree).memory
    tree.fill(10)
    mirror = DictMirror(tree.files)
    done = audit(mirror, memory)
    assert kinds(done) == []
    assert (done.entries_read, done.memory.size) == (10, 7_019)
    assert len([path for path in mirror.asked if "/tile/" in path]) == 1
    assert len(encode_memory(done.memory)) < 20_000


def test_audits_that_end_around_the_edges_of_tiles(audit, tree):
    """A bundle that is just full, or has one entry more or less, is gone on from alike."""
    for count in (246, 247, 248, 502, 503, 504, 1100):
        long = tree.copy()
        long.fill(count)
        with case(count):
            memory = audit(long).memory
            assert memory.size == 9 + count
            long.release("content")
            done = audit(long, memory)
            assert kinds(done) == []
            assert done.memory.tree.root() == mth(long.leaves)


def test_a_partial_tile_that_gave_way_to_the_full_one(audit, tree):
    """A mirror may drop partial tiles; the beginning of the full one is what is needed."""
    tree.fill(240)
    old = tree.copy()
    tree.fill(100)
    name = "/log/tile/entries/000"
    files = old.files | {name: tree.files[name]}
    del files[f"{name}.p/249"]
    done = audit(DictMirror(files))
    assert kinds(done) == []


def test_a_new_root_and_log_key_continue_the_same_log(audit, tree) -> None:
    """Size and root hash are remembered, not the key; a proof under the former alone is refused."""
    first = tree.copy()
    memory = audit(tree).memory
    tree.log_keys = LOG_KEYS
    tree.release("root")
    for role, version in list(tree.current.items()):
        index = next(
            i
            for i, entry in enumerate(tree.entries)
            if entry.startswith(f"hening role v1\n{role}\n{version}\n".encode())
        )
        tree.staple(role, version, index)
    done = audit(tree, memory)
    assert kinds(done) == []
    assert done.published.root.version == 2
    tree.log_keys = LOG_KEYS[1:]
    tree.release("latest")
    done = audit(tree, done.memory)
    assert kinds(done) == []
    tree = first.copy()
    memory = audit(tree).memory
    tree.log_keys = LOG_KEYS
    tree.release("root")
    done = audit(tree, memory)
    assert set(kinds(done)) == {Kind.PROOF}
    assert "not signed by" in done.findings.kept[0].text


def test_a_forked_log_is_equivocation_with_a_complete_proof(audit, tree):
    """Both signed checkpoints are shown, and a proof that holds for the larger one alone."""
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
    assert root == mth(fork.leaves[:309]) != mth(tree.leaves)
    verify_consistency(309, root, 310, mth(fork.leaves), proof)


def test_a_fork_of_the_same_size_is_equivocation(audit, tree):
    """Two roots for one size need no further proof than the two checkpoints."""
    memory = audit(tree).memory
    fork = tree.copy()
    fork.entries[-1] = fork.entries[-1].replace(b"latest\n2", b"latest\n3")
    fork.write_log()
    done = audit(fork, memory)
    assert Kind.EQUIVOCATION in kinds(done)
    evidence = next(f for f in done.findings.kept if f.kind is Kind.EQUIVOCATION).evidence
    assert evidence["checkpoints"] == [memory.checkpoint, fork.files["/log/checkpoint"].decode()]


def test_a_proof_of_another_history_is_equivocation(audit, tree) -> None:
    """What was stapled for one phone must be a beginning of the log that all see."""
    first = tree.copy()
    fork = tree.copy()
    fork.entries[0] = fork.entries[0].replace(b"root", b"dior")
    fork.write_log()
    fork.staple("latest", 2, 8)
    proof = fork.files["/log/proof/latest.2"]
    tree.release("content")
    tree.files["/log/proof/latest.2"] = proof
    finding = only(audit(tree), Kind.EQUIVOCATION)
    assert finding.evidence["checkpoints"] == [
        fork.files["/log/checkpoint"].decode(),
        tree.files["/log/checkpoint"].decode(),
    ]
    tree = first.copy()
    fork = tree.copy()
    fork.entries[0] = fork.entries[0].replace(b"root", b"dior")
    fork.write_log()
    fork.staple("latest", 2, 8)
    tree.fill(300, "content")
    memory = audit(tree).memory
    tree.files["/log/proof/latest.2"] = fork.files["/log/proof/latest.2"]
    finding = only(audit(tree, memory), Kind.EQUIVOCATION)
    assert len(finding.evidence["consistency_proof"]) > 1
    tree = first.copy()
    old = tree.copy()
    tree.fill(300, "content")
    memory = audit(tree).memory
    old.log("content", 2, b"superseded 2")
    old.write_log()
    old.staple("cancro", 1, 3)
    tree.files["/log/proof/cancro.1"] = old.files["/log/proof/cancro.1"]
    mirror = DictMirror(tree.files)
    assert kinds(audit(mirror, memory)) == []
    assert any("/tile/0/" in path for path in mirror.asked)


def test_an_older_log_is_a_roll_back(audit, tree) -> None:
    """A smaller tree, or an old checkpoint that no proof outdoes; the newest signed one counts."""
    first = tree.copy()
    stale = DictMirror(tree.files.copy())
    tree.release("content")
    memory = audit(tree).memory
    done = audit(stale, memory)
    assert kinds(done) == [Kind.ROLL_BACK, Kind.ROLL_BACK]
    assert "publishes version 1 of content" in done.findings.kept[0].text
    assert done.findings.kept[1].evidence["checkpoints"] == [
        memory.checkpoint,
        stale.files["/log/checkpoint"].decode(),
    ]
    tree = first.copy()
    old = tree.files["/log/checkpoint"]
    tree.release("content")
    memory = audit(tree).memory
    tree.files["/log/checkpoint"] = old
    assert "stale" in only(audit(tree, memory), Kind.ROLL_BACK).text
    tree = first.copy()
    memory = audit(tree).memory
    old = tree.files["/log/checkpoint"]
    tree.release("content")
    tree.files["/log/checkpoint"] = old
    done = audit(tree, memory)
    assert kinds(done) == []
    assert done.checkpoint.place == "/log/proof/content.2"


def test_tiles_that_are_not_the_logs_prove_nothing(audit, tree) -> None:
    """Changed entries are located; without sound tiles a fork is not claimed."""
    first = tree.copy()
    path = "/log/tile/entries/000.p/9"
    tree.files[path] = tree.files[path].replace(b"cancro", b"armani")
    finding = only(audit(tree), Kind.LOG)
    assert "entry 3 is the first that differs" in finding.text
    tree = first.copy()
    memory = audit(tree).memory
    tree.release("content")
    path = "/log/tile/entries/000.p/10"
    tree.files[path] = tree.files[path].replace(b"content\n2", b"cancro0\n2")
    assert "entry 9" in only(audit(tree, memory), Kind.LOG).text
    tree = first.copy()
    other = tree.copy()
    other.entries[5] = other.entries[5].replace(b"content", b"cancro")
    other.write_log()
    other.files["/log/checkpoint"] = tree.files["/log/checkpoint"]
    text = only(audit(other), Kind.LOG).text
    assert text == "The mirror's entries are not those of the log's tree of 9."
    tree = first.copy()
    memory = audit(tree).memory
    fork = tree.copy()
    fork.entries[5] = fork.entries[5].replace(b"content", b"cancro")
    fork.release("content")
    fork.files["/log/tile/0/000.p/10"] = bytes(320)
    assert "does not lead" in only(audit(fork, memory), Kind.LOG).text
    tree = first.copy()
    tree.files["/log/checkpoint"] = checkpoint(tree.leaves, LOG_KEYS[1:])
    assert "not signed by" in only(audit(tree), Kind.LOG).text
    tree.files["/log/checkpoint"] = checkpoint(tree.leaves, origin="other.example/log")
    assert "not signed by" in only(audit(tree), Kind.LOG).text
    tree = first.copy()
    for path in tiles_of([b"x"] * 9):
        odd = tree.copy()
        del odd.files[path]
        with case(path):
            assert (Kind.LOG in kinds(audit(odd))) == ("entries" in path)


def test_a_pending_version_is_no_finding_once_and_is_remembered(audit, tree):
    """Logged and not served; the next audit asks and says since when, and publication ends it."""
    data = tree.make_role("armani", 3)
    tree.log("armani", 3, data)
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
    tree.lay("armani", 3, data)
    tree.staple("armani", 3, 9)
    tree.point()
    done = audit(tree, later.memory, NOW + timedelta(hours=2))
    assert (kinds(done), done.pending) == ([], [])


def test_a_version_that_was_logged_and_passed_over_is_asked_about(audit, tree) -> None:
    """It may be burned or have been shown to one phone: told once, while it should be served."""
    first = tree.copy()
    memory = audit(tree).memory
    tree.log("armani", 3, b"for one phone")
    tree.current["armani"] = 3
    tree.release("armani")
    for done in (audit(tree), audit(tree, memory)):
        finding = only(done, Kind.UNSERVED)
        hashed = sha256(b"for one phone")
        assert finding.evidence == {"index": 9, "role": "armani", "sha256": hashed, "version": 3}
        assert "shown to other clients" in finding.text
        assert done.pending == []
        # The log keeps it, so there is nothing to come back to.
        assert kinds(audit(tree, done.memory)) == []
    tree = first.copy()
    tree.log("armani", 3, b"for one phone")
    tree.write_log()
    memory = audit(tree).memory
    tree.current["armani"] = 3
    tree.release("armani")
    assert only(audit(tree, memory), Kind.UNSERVED).evidence["version"] == 3
    tree = first.copy()
    tree.log("armani", 3, b"for one phone")
    tree.current["armani"] = 3
    for _ in range(8):
        tree.release("armani")
    assert only(audit(tree), Kind.UNSERVED).evidence["version"] == 3
    tree.release("armani")
    assert kinds(audit(tree)) == []
    tree = first.copy()
    tree.release("root")
    tree.release("root")
    memory = begin_memory(tree.files["/metadata/3.root.json"])
    del tree.files["/metadata/2.root.json"]
    done = audit(tree, memory)
    assert only(done, Kind.UNSERVED).evidence["role"] == "root"


def test_a_version_that_leaves_the_window_while_the_audit_runs(audit, tree):
    """The metadata is read before the log: what the log has newly put out of service is not due."""
    for _ in range(8):
        tree.release("armani")
    before = tree.copy()
    tree.log("armani", 11, tree.make_role("armani", 11))
    tree.write_log()
    del before.files["/metadata/2.armani.json"]
    files = before.files | {p: d for p, d in tree.files.items() if p.startswith("/log/")}
    done = audit(DictMirror(files))
    assert kinds(done) == []
    assert [each.version for each in done.pending] == [11]


def test_a_new_model_is_pending_with_its_targets(audit, tree):
    """A role may be logged before the targets version that delegates to it is public."""
    tree.models = [*tree.models, "dior"]
    targets, dior = tree.make_role("targets", 2), tree.make_role("dior", 1)
    tree.log("dior", 1, dior)
    tree.log("targets", 2, targets)
    tree.write_log()
    first = audit(tree)
    assert kinds(first) == []
    assert [each.role for each in first.pending] == ["dior", "targets"]
    gone_on = tree.copy()
    for role, version, data, index in (("targets", 2, targets, 10), ("dior", 1, dior, 9)):
        gone_on.lay(role, version, data)
        gone_on.staple(role, version, index)
    gone_on.point()
    done = audit(gone_on, first.memory)
    assert (kinds(done), done.pending) == ([], [])
    # Had targets come without that model, its entry would be of a role without a delegation.
    tree.models = tree.models[:2]
    tree.current["targets"] = 2
    tree.release("targets")
    assert Kind.UNKNOWN_ROLE in kinds(audit(tree, first.memory))


def test_an_unknown_role_is_excused_once(audit, tree) -> None:
    """By one pending version of targets, at one audit; at the next it must be delegated."""
    start = tree.copy()
    tree.log("targets", 2, tree.make_role("targets", 2))
    tree.write_log()
    first = audit(tree)
    assert first.findings.wrong == 0
    tree.log("dior", 1, b"hidden")
    tree.write_log()
    done = audit(tree, first.memory)
    assert [f.kind for f in done.findings.kept if f.kind is Kind.UNKNOWN_ROLE] == ["unknown-role"]
    tree = start.copy()
    tree.log("dior", 1, b"hidden")
    tree.log("targets", 2, targets := tree.make_role("targets", 2))
    tree.write_log()
    first = audit(tree)
    assert first.findings.wrong == 0
    tree.lay("targets", 2, targets)
    tree.staple("targets", 2, 10)
    tree.point()
    tree.log("targets", 3, tree.make_role("targets", 3))
    tree.write_log()
    assert Kind.UNKNOWN_ROLE in [f.kind for f in audit(tree, first.memory).findings.kept]
