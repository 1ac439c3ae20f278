"""Audits of whole trees: the sound one, how audits go on from one another, and every attack."""

from datetime import timedelta

import pytest
from tuf.api.metadata import MetaFile, Snapshot, TargetFile, Targets

from server.core.tlog import verify_consistency
from signer.audit.findings import Kind, MirrorUnavailableError
from signer.audit.memory import begin_memory, decode_memory, encode_memory
from tests.signer.audit.public_tree import (
    LOG_KEYS,
    NOW,
    DictMirror,
    PublicTree,
    checkpoint,
    leaf_hash_of,
    mth,
    sha256,
    tiles_of,
)


def kinds(done):
    """Return the kinds of all findings; but for open questions there is no new memory then."""
    assert (done.memory is None) == bool(done.findings.wrong)
    return [finding.kind for finding in done.findings.kept]


def only(done, kind):
    """Return the one finding of an audit."""
    assert kinds(done) == [kind]
    return done.findings.kept[0]


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


def test_the_next_audit_reads_only_what_is_new(audit, tree):
    """The memory is enough to go on from, whatever was appended."""
    memory = audit(tree).memory
    tree.release("armani", "content")
    mirror = DictMirror(tree.files)
    done = audit(mirror, decode_memory(encode_memory(memory)))
    assert kinds(done) == []
    assert done.entries_read == 2
    assert done.memory.size == 11
    assert [path for path in mirror.asked if "/tile/" in path] == ["/log/tile/entries/000.p/11"]


def test_an_audit_of_what_was_audited_reads_no_tile(audit, tree):
    """Nothing new: the memory stays, but for its time."""
    memory = audit(tree).memory
    mirror = DictMirror(tree.files)
    done = audit(mirror, memory)
    assert done.memory == memory
    assert not any("/tile/" in path for path in mirror.asked)


def test_ten_new_entries_in_a_long_log_take_a_few_tiles(audit, tree):
    """After 70,000 entries an audit of ten more fetches one bundle."""
    tree.fill(70_000)
    memory = audit(tree).memory
    tree.fill(10)
    mirror = DictMirror(tree.files)
    done = audit(mirror, memory)
    assert kinds(done) == []
    assert (done.entries_read, done.memory.size) == (10, 70_019)
    assert len([path for path in mirror.asked if "/tile/" in path]) == 1
    assert len(encode_memory(done.memory)) < 20_000


@pytest.mark.parametrize("count", [246, 247, 248, 502, 503, 504, 1100])
def test_audits_that_end_around_the_edges_of_tiles(audit, tree, count):
    """A bundle that is just full, or has one entry more or less, is gone on from alike."""
    tree.fill(count)
    memory = audit(tree).memory
    assert memory.size == 9 + count
    tree.release("content")
    done = audit(tree, memory)
    assert kinds(done) == []
    assert done.memory.tree.root() == mth(tree.leaves)


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


def test_a_new_root_and_log_key_continue_the_same_log(audit, tree):
    """Size and root hash are remembered, not the key: rotation asks for no new memory."""
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


def test_a_proof_under_the_former_log_key_alone_is_a_finding(audit, tree):
    """A phone that has the new root refuses that proof, so it is a finding."""
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


def test_a_proof_with_a_checkpoint_of_another_history_is_equivocation(audit, tree):
    """What was stapled for one phone must be a beginning of the log that all see."""
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


def test_a_forked_proof_from_before_the_memory_is_equivocation(audit, tree):
    """Sizes below the remembered one are proven from the hash tiles."""
    fork = tree.copy()
    fork.entries[0] = fork.entries[0].replace(b"root", b"dior")
    fork.write_log()
    fork.staple("latest", 2, 8)
    tree.fill(300, "content")
    memory = audit(tree).memory
    tree.files["/log/proof/latest.2"] = fork.files["/log/proof/latest.2"]
    finding = only(audit(tree, memory), Kind.EQUIVOCATION)
    assert len(finding.evidence["consistency_proof"]) > 1


def test_a_proof_that_was_stapled_anew_is_held_against_the_tiles(audit, tree):
    """Another sound checkpoint below the remembered size is no finding."""
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


def test_a_truncated_log_is_a_roll_back(audit, tree):
    """A smaller tree than remembered is reported with both checkpoints, and not accepted."""
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


def test_a_replayed_old_checkpoint_is_a_roll_back(audit, tree):
    """Metadata of today beside the checkpoint of yesterday."""
    old = tree.files["/log/checkpoint"]
    tree.release("content")
    memory = audit(tree).memory
    tree.files["/log/checkpoint"] = old
    assert "stale" in only(audit(tree, memory), Kind.ROLL_BACK).text


def test_a_checkpoint_that_lags_behind_its_proofs_is_followed_by_them(audit, tree):
    """An edge may hold the checkpoint for a minute; the newest signed one counts."""
    memory = audit(tree).memory
    old = tree.files["/log/checkpoint"]
    tree.release("content")
    tree.files["/log/checkpoint"] = old
    done = audit(tree, memory)
    assert kinds(done) == []
    assert done.checkpoint.place == "/log/proof/content.2"


def test_a_changed_entry_tile_is_located(audit, tree):
    """Entries that are not those of the signed tree are reported with the first that differs."""
    path = "/log/tile/entries/000.p/9"
    tree.files[path] = tree.files[path].replace(b"cancro", b"armani")
    finding = only(audit(tree), Kind.LOG)
    assert "entry 3 is the first that differs" in finding.text


def test_a_changed_entry_tile_after_a_memory_is_no_fork(audit, tree):
    """The hash tiles show that the signed log continues; only the entries are wrong."""
    memory = audit(tree).memory
    tree.release("content")
    path = "/log/tile/entries/000.p/10"
    tree.files[path] = tree.files[path].replace(b"content\n2", b"cancro0\n2")
    assert "entry 9" in only(audit(tree, memory), Kind.LOG).text


def test_tiles_of_another_log_prove_nothing(audit, tree):
    """Entries and hash tiles that agree with each other, and not with the checkpoint."""
    other = tree.copy()
    other.entries[5] = other.entries[5].replace(b"content", b"cancro")
    other.write_log()
    other.files["/log/checkpoint"] = tree.files["/log/checkpoint"]
    text = only(audit(other), Kind.LOG).text
    assert text == "The mirror's entries are not those of the log's tree of 9."


def test_tiles_that_lead_nowhere_prove_nothing(audit, tree):
    """Without sound tiles a fork cannot be told from a damaged mirror, and is not claimed."""
    memory = audit(tree).memory
    fork = tree.copy()
    fork.entries[5] = fork.entries[5].replace(b"content", b"cancro")
    fork.release("content")
    fork.files["/log/tile/0/000.p/10"] = bytes(320)
    assert "does not lead" in only(audit(fork, memory), Kind.LOG).text


@pytest.mark.parametrize("path", sorted(tiles_of([b"x"] * 9)))
def test_a_tile_that_is_not_there(audit, tree, path):
    """A missing bundle ends the reading; a missing hash tile is needed for nothing here."""
    del tree.files[path]
    done = audit(tree)
    assert (Kind.LOG in kinds(done)) == ("entries" in path)


def test_the_checkpoint_of_another_log(audit, tree):
    """A checkpoint by a key that root does not name is refused; the proofs are still read."""
    tree.files["/log/checkpoint"] = checkpoint(tree.leaves, LOG_KEYS[1:])
    assert "not signed by" in only(audit(tree), Kind.LOG).text
    tree.files["/log/checkpoint"] = checkpoint(tree.leaves, origin="other.example/log")
    assert "not signed by" in only(audit(tree), Kind.LOG).text


def test_a_role_version_that_is_not_in_the_log(audit, tree):
    """Served and never logged: the very thing a log is there to show."""
    data = tree.make_role("armani", 3)
    tree.lay("armani", 3, data)
    tree.point()
    done = audit(tree)
    assert kinds(done) == [Kind.PROOF, Kind.MISSING]
    assert done.findings.kept[1].evidence == {
        "role": "armani",
        "served": sha256(data),
        "version": 3,
    }


def test_a_superseded_version_that_is_served_with_other_bytes(audit, tree):
    """Not only the current versions are held against the log."""
    tree.files["/metadata/1.armani.json"] = other = tree.make_role("armani", 1, days=80)
    finding = only(audit(tree), Kind.MISMATCH)
    assert finding.evidence["index"] == 2
    assert finding.evidence["served"] == sha256(other) != finding.evidence["logged"]


def test_superseded_versions_that_are_gone_are_not_missed(audit, tree):
    """Of a role that had twenty versions, eight and the current one may be asked for."""
    for _ in range(20):
        tree.release("cancro")
    memory = audit(tree).memory
    for version in range(1, 13):
        del tree.files[f"/metadata/{version}.cancro.json"]
    mirror = DictMirror(tree.files)
    assert kinds(audit(mirror, memory)) == []
    asked = [path for path in mirror.asked if path.endswith(".cancro.json")]
    assert len(asked) == 9
    assert len(memory.roles["cancro"].kept) == 9


def test_a_role_without_a_delegation(audit, tree):
    """An entry for an unknown role is reported with its place and its hash."""
    tree.log("dior", 1, b"who is that")
    tree.release("latest")
    finding = only(audit(tree), Kind.UNKNOWN_ROLE)
    assert finding.evidence == {
        "index": 9,
        "role": "dior",
        "sha256": sha256(b"who is that"),
        "version": 1,
    }


@pytest.mark.parametrize("role", ["snapshot", "timestamp", "mirrors"])
def test_what_is_never_logged_is_unknown(audit, tree, role):
    """Even while a version of targets is pending."""
    tree.log(role, 1, b"x")
    tree.log("targets", 2, b"y")
    tree.release("latest")
    assert only(audit(tree), Kind.UNKNOWN_ROLE).evidence["role"] == role


def test_two_files_for_one_version_are_equivocation_of_the_publisher(audit, tree):
    """Both entries are named, the served one and the other."""
    tree.log("armani", 2, b"another armani 2")
    tree.write_log()
    finding = only(audit(tree), Kind.EQUIVOCATION)
    assert finding.evidence["indices"] == [7, 9]
    assert finding.evidence["sha256"][1] == sha256(b"another armani 2")


def test_two_files_for_one_version_across_two_audits(audit, tree):
    """The memory keeps what is needed to notice it later."""
    memory = audit(tree).memory
    tree.log("armani", 2, b"another armani 2")
    tree.write_log()
    assert only(audit(tree, memory), Kind.EQUIVOCATION).evidence["indices"] == [7, 9]


def test_an_entry_that_is_logged_twice(audit, tree):
    """The same version and hash again breaks the order."""
    tree.entries.append(tree.entries[7])
    tree.write_log()
    assert only(audit(tree), Kind.ORDER).evidence["indices"] == [7, 9]


def test_versions_that_fall(audit, tree):
    """An old version after a newer one, long after it went out of service."""
    tree.fill(50)
    memory = audit(tree).memory
    tree.log("latest", 7, b"superseded 7")
    tree.write_log()
    finding = only(audit(tree, memory), Kind.ORDER)
    assert finding.text == "Entry 59 is latest 7, after version 52 at entry 58."


def test_two_files_for_a_version_that_went_out_of_service(audit, tree):
    """The log is read a second time, so that the first of the two entries is shown, too."""
    tree.fill(300)
    memory = audit(tree).memory
    tree.log("latest", 7, b"another latest 7")
    tree.write_log()
    for done in (audit(tree), audit(tree, memory)):
        finding = only(done, Kind.EQUIVOCATION)
        assert finding.evidence["indices"] == [13, 309]
        assert finding.evidence["sha256"] == [
            sha256(b"superseded 7"),
            sha256(b"another latest 7"),
        ]


def test_the_same_file_for_a_version_that_went_out_of_service(audit, tree):
    """Logged again with the same hash it is out of order and nothing worse."""
    tree.fill(300)
    tree.log("latest", 7, b"superseded 7")
    tree.write_log()
    assert only(audit(tree), Kind.ORDER).evidence["indices"] == [308, 309]


def test_a_second_reading_that_differs_from_the_first_proves_nothing(audit, tree):
    """A mirror that answers differently the second time is a finding."""
    tree.fill(300)
    memory = audit(tree).memory
    tree.log("latest", 7, b"another latest 7")
    tree.write_log()
    path = "/log/tile/entries/000"
    tree.files[path] = tree.files[path].replace(b"tables", b"cancro")
    assert kinds(audit(tree, memory)) == [Kind.LOG, Kind.ORDER]


def test_versions_that_are_left_out(audit, tree):
    """A gap hides a version that clients may have been shown."""
    tree.current["latest"] = 4
    tree.release("latest")
    assert only(audit(tree), Kind.MISSING).text == "The log skips from latest 2 to 5."


def test_first_versions_that_are_left_out(audit, tree):
    """The log of a role begins with version 1: what came before could have been shown, too."""
    tree.models = [*tree.models, "dior"]
    tree.current["dior"] = 2
    tree.release("targets", "dior")
    finding = only(audit(tree), Kind.MISSING)
    assert finding.text == "The log begins dior with version 3, at entry 10; 1 comes first."
    assert finding.evidence == {"indices": [10], "role": "dior", "versions": [0, 3]}


@pytest.mark.parametrize(
    ("pinned", "begin", "is_sound"), [(3, 3, True), (1, 1, True), (4, 3, False)]
)
def test_the_root_that_a_log_begins_with(audit, pinned, begin, is_sound):
    """A server may have been made with a later root, which is then the one to pin."""
    fresh = PublicTree()
    fresh.current["root"] = begin - 1
    fresh.release("root", "targets", "armani", "cancro", "tables", "content", "latest")
    while fresh.current["root"] < pinned:
        fresh.release("root")
    memory = begin_memory(fresh.files[f"/metadata/{pinned}.root.json"])
    done = audit(fresh, memory)
    assert kinds(done) == ([] if is_sound else [Kind.MISSING])


@pytest.mark.parametrize(
    "leaf",
    [
        b"hello",
        b"hening role v1\narmani\n03\n" + b"0" * 64 + b"\n",
        b"hening role v1\narmani\n0\n" + b"0" * 64 + b"\n",
        b"hening role v1\nArmani\n3\n" + b"0" * 64 + b"\n",
        b"hening role v1\narmani\n3\n" + b"0" * 64 + b"\n\n",
        b"hening role v2\narmani\n3\n" + b"0" * 64 + b"\n",
        b"\xff" * 160,
    ],
)
def test_an_entry_that_is_no_role_version(audit, tree, leaf):
    """The bytes and their place are shown; the rest of the log is read on."""
    tree.entries.append(leaf)
    tree.release("latest")
    finding = only(audit(tree), Kind.ENTRY)
    assert finding.evidence == {"index": 9, "leaf": leaf.hex()}


def test_a_proof_of_something_else(audit, tree):
    """The proof of another entry does not show this one."""
    tree.staple("armani", 2, 6)
    assert only(audit(tree), Kind.PROOF).evidence["path"] == "/log/proof/armani.2"


def test_a_proof_that_is_not_there(audit, tree):
    """Every current version has one."""
    del tree.files["/log/proof/cancro.1"]
    assert "not on the mirror" in only(audit(tree), Kind.PROOF).text


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
    assert finding.evidence == {
        "index": 9,
        "role": "armani",
        "sha256": sha256(data),
        "version": 3,
    }
    tree.lay("armani", 3, data)
    tree.staple("armani", 3, 9)
    tree.point()
    done = audit(tree, later.memory, NOW + timedelta(hours=2))
    assert (kinds(done), done.pending) == ([], [])


def test_a_version_that_was_logged_and_passed_over_is_asked_about(audit, tree):
    """It may be burned or have been shown to one phone: told once, and by every fresh auditor."""
    memory = audit(tree).memory
    tree.log("armani", 3, b"for one phone")
    tree.current["armani"] = 3
    tree.release("armani")
    for done in (audit(tree), audit(tree, memory)):
        finding = only(done, Kind.UNSERVED)
        assert finding.evidence == {
            "index": 9,
            "role": "armani",
            "sha256": sha256(b"for one phone"),
            "version": 3,
        }
        assert "shown to other clients" in finding.text
        assert done.pending == []
        # The log keeps it, so there is nothing to come back to.
        assert kinds(audit(tree, done.memory)) == []


def test_a_pending_version_that_is_passed_over_is_asked_about(audit, tree):
    """An earlier audit read the entry, but could not know yet that it would never be served."""
    tree.log("armani", 3, b"for one phone")
    tree.write_log()
    memory = audit(tree).memory
    tree.current["armani"] = 3
    tree.release("armani")
    assert only(audit(tree, memory), Kind.UNSERVED).evidence["version"] == 3


def test_what_lies_within_the_window_is_asked_about(audit, tree):
    """The eighth version before the current one is to be served, the ninth is not."""
    tree.log("armani", 3, b"for one phone")
    tree.current["armani"] = 3
    for _ in range(8):
        tree.release("armani")
    assert only(audit(tree), Kind.UNSERVED).evidence["version"] == 3
    tree.release("armani")
    assert kinds(audit(tree)) == []


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


def test_a_root_that_was_logged_and_not_served(audit, tree):
    """Phones ask for each root after the last, so none is passed over."""
    tree.release("root")
    tree.release("root")
    memory = begin_memory(tree.files["/metadata/3.root.json"])
    del tree.files["/metadata/2.root.json"]
    done = audit(tree, memory)
    assert only(done, Kind.UNSERVED).evidence["role"] == "root"


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


def test_one_pending_version_of_targets_excuses_an_unknown_role_once(audit, tree):
    """What one publication appends is read by one audit; later there is nothing to wait for."""
    tree.log("targets", 2, tree.make_role("targets", 2))
    tree.write_log()
    first = audit(tree)
    assert first.findings.wrong == 0
    tree.log("dior", 1, b"hidden")
    tree.write_log()
    done = audit(tree, first.memory)
    assert [f.kind for f in done.findings.kept if f.kind is Kind.UNKNOWN_ROLE] == ["unknown-role"]


def test_an_unknown_role_is_not_excused_by_the_next_version_of_targets(audit, tree):
    """An entry that was excused at one audit must be delegated at the next."""
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


def test_expired_metadata_is_told_and_read(audit, tree):
    """What is expired is still held against the log."""
    done = audit(tree, now=NOW + timedelta(days=100))
    assert set(kinds(done)) == {Kind.EXPIRED}
    assert done.findings.total == 8
    assert done.entries_read == 9


def test_metadata_by_other_keys(audit, tree):
    """A role signed with other keys is a finding, and so is its absence from the log."""
    tree.files["/metadata/1.cancro.json"] = tree.files["/metadata/1.tables.json"]
    assert kinds(audit(tree)) == [Kind.METADATA, Kind.PROOF, Kind.MISMATCH]


@pytest.mark.parametrize(
    ("role", "path"),
    [
        ("latest", "latest/armani/id/stable"),
        ("latest", "armani/id/stable"),
        ("armani", "armani/id/stable/a.zip"),
        ("armani", "cancro/id/stable/a.zip"),
        ("tables", "tables/apn/00.xz"),
    ],
)
def test_a_role_that_lists_what_it_must_not(audit, tree, role, path):
    """No custom object, or a path that is not its own: signed, logged and still wrong."""
    target = TargetFile(1, {"sha256": "0" * 64}, path)
    version = tree.current[role] + 1
    signed = Targets(version, None, NOW + timedelta(days=3), targets={path: target})
    data = tree.sign(role, signed)
    tree.make_role = lambda *_arguments: data
    tree.release(role)
    assert only(audit(tree), Kind.METADATA).evidence == {"role": role, "version": version}


def test_a_role_that_fell_behind_what_was_seen(audit, tree):
    """A snapshot that lists an older version than an earlier audit saw."""
    memory = audit(tree).memory
    tree.current["armani"] = 1
    tree.point()
    assert only(audit(tree, memory), Kind.ROLL_BACK).evidence == {
        "published": 1,
        "role": "armani",
        "seen": 2,
    }


def test_a_file_of_another_version(audit, tree):
    """The name says one version and the file is another, soundly signed."""
    tree.files["/metadata/2.armani.json"] = tree.files["/metadata/1.armani.json"]
    done = audit(tree)
    assert kinds(done) == [Kind.METADATA, Kind.PROOF, Kind.MISMATCH]
    assert done.findings.kept[0].text == "2.armani.json holds version 1."


@pytest.mark.parametrize(
    "meta",
    [
        {"armani.json": 1},
        {"targets.json": 1, "root.json": 1},
        {"targets.json": True},
        {"targets.json": 2**53},
        {"targets.json": 1, "../etc/passwd": 1},
    ],
)
def test_a_snapshot_that_lists_what_it_must_not(audit, tree, meta):
    """Versions that are none, names that are none, no targets: signed and still not followed."""
    files = {name: MetaFile(version) for name, version in meta.items()}
    snapshot = Snapshot(tree.online, None, NOW + timedelta(days=1), meta=files)
    tree.files[f"/metadata/{tree.online}.snapshot.json"] = tree.sign("snapshot", snapshot)
    mirror = DictMirror(tree.files)
    assert kinds(audit(mirror)) == [Kind.METADATA]
    assert not any("passwd" in path for path in mirror.asked)


def test_more_roots_than_one_audit_follows(audit, tree, monkeypatch):
    """What is followed is bounded; the rest is reported."""
    for _ in range(5):
        tree.release("root")
    assert audit(tree).published.root.version == 6
    monkeypatch.setattr("signer.audit.published.MAX_ROOTS", 3)
    done = audit(tree)
    assert done.published.root.version == 4
    assert "more than 3 new roots" in done.findings.kept[0].text


def test_a_root_that_does_not_follow(audit, tree):
    """The chain ends at the last root that verifies."""
    tree.files["/metadata/2.root.json"] = tree.make_root(3)
    done = audit(tree)
    assert Kind.METADATA in kinds(done)
    assert done.published.root.version == 1


def test_another_root_in_place_of_the_trusted_one(audit, tree):
    """The mirror's own copy of the trusted root must be the trusted root."""
    tree.files["/metadata/1.root.json"] = tree.make_root(1, days=300)
    done = audit(tree)
    assert Kind.EQUIVOCATION in kinds(done)
    assert Kind.MISMATCH in kinds(done)


def test_a_mirror_that_has_nothing(audit):
    """An empty tree is a finding, not a clean log."""
    assert kinds(audit(DictMirror({}))) == [Kind.METADATA, Kind.LOG]


class SilentMirror(DictMirror):
    """Goes away when it is asked for a tile."""

    def fetch(self, path, limit):
        """Raise where a tile is asked for."""
        if "/tile/" in path:
            raise MirrorUnavailableError("The mirror is away.")
        return super().fetch(path, limit)


def test_a_mirror_that_goes_away_cannot_hide_what_it_showed(audit, tree):
    """Unreachable is an error unless something is wrong; then the findings are reported."""
    with pytest.raises(MirrorUnavailableError):
        audit(SilentMirror(tree.files))
    del tree.files["/log/proof/cancro.1"]
    done = audit(SilentMirror(tree.files))
    assert kinds(done) == [Kind.PROOF, Kind.LOG]
    assert done.findings.kept[1].text == "The audit did not reach its end: The mirror is away."


def test_the_log_is_read_without_metadata(audit, tree):
    """A fork is found even at a mirror that hides its timestamp."""
    memory = audit(tree).memory
    del tree.files["/metadata/timestamp.json"]
    tree.entries[5] = tree.entries[5].replace(b"content", b"cancro")
    tree.entries.append(b"more")
    tree.write_log()
    assert Kind.EQUIVOCATION in kinds(audit(tree, memory))
    assert leaf_hash_of(b"more") == tree.leaves[-1]
