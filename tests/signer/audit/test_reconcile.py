"""What is logged and not served: pending versions, and roles that are not known yet."""

from datetime import timedelta

from signer.audit.findings import Kind
from signer.audit.memory import begin_memory
from tests.signer.audit.public_tree import NOW, DictMirror, kinds, only, sha256


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
