import pytest

from signer.audit.findings import Kind
from signer.audit.inquiry import Inquiry
from signer.audit.log_audit import audit_log
from signer.work_folder import WorkFolder
from tests.signer.audit.public_tree import NOW, DictMirror


@pytest.fixture
def folder(tmp_path):
    """Give a working folder that has a root that is not the log's, and nothing else."""
    metadata = tmp_path / "repo" / "metadata"
    metadata.mkdir(parents=True)
    (metadata / "1.root.json").write_bytes(b"another root")
    return WorkFolder(metadata.parent)


def ask(mirror, memory, inquiry):
    """Audit with an inquiry, and return the kinds of what was found."""
    done = audit_log(mirror, memory, NOW, lambda _done, _total: None, inquiry)
    return [finding.kind for finding in done.findings.kept]


def test_only_offline_roles_are_compared(tree, first_memory, folder) -> None:
    """Root, targets, armani, cancro, tables and content; else a bundle is read once."""
    inquiry = Inquiry(folder)
    assert ask(DictMirror(tree.files), first_memory, inquiry) == [Kind.FOREIGN] * 7
    assert (inquiry.compared, inquiry.unlogged) == (1, [])
    mirror = DictMirror(tree.files)
    assert ask(mirror, first_memory, Inquiry()) == []
    assert len([path for path in mirror.asked if "/entries/" in path]) == 1


class ChangingMirror(DictMirror):
    """Answers otherwise when a bundle is asked for a second time."""

    def fetch(self, path, limit):
        """Return armani as cancro the second time."""
        data = super().fetch(path, limit)
        if "/entries/" in path and self.asked.count(path) > 1:
            return data.replace(b"armani", b"cancro")
        return data


def test_what_another_reading_says_is_not_believed(tree, first_memory, folder):
    """Entries that are not those of the signed tree are no finding."""
    inquiry = Inquiry(folder, ["cancro"])
    assert ask(ChangingMirror(tree.files), first_memory, inquiry) == [Kind.LOG]
    assert (inquiry.compared, inquiry.unlogged, list(inquiry.listed)) == (0, [], [])
