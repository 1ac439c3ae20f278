import pytest

from signer.audit.findings import Kind
from signer.audit.inquiry import Inquiry
from signer.audit.log_audit import audit_log
from signer.work_folder import WorkFolder
from tests.signer.audit.public_tree import NOW, DictMirror


@pytest.fixture
def folder(tmp_path):
    """Make a working folder with a root that is not the log's."""
    metadata = tmp_path / "repo" / "metadata"
    metadata.mkdir(parents=True)
    (metadata / "1.root.json").write_bytes(b"another root")
    return WorkFolder(metadata.parent)


def audit_with_inquiry(mirror, memory, inquiry):
    """Audit with an inquiry, and return the kinds of findings."""
    done = audit_log(mirror, memory, NOW, lambda _done, _total: None, inquiry)
    return [finding.kind for finding in done.findings.stored]


def test_only_offline_roles_are_compared(tree, first_memory, folder) -> None:
    """Without a working folder to compare with, each entry bundle is read once."""
    inquiry = Inquiry(folder)
    assert audit_with_inquiry(DictMirror(tree.files), first_memory, inquiry) == [Kind.FOREIGN] * 7
    assert (inquiry.compared, inquiry.unlogged) == (1, [])
    mirror = DictMirror(tree.files)
    assert audit_with_inquiry(mirror, first_memory, Inquiry()) == []
    assert len([path for path in mirror.fetched if "/entries/" in path]) == 1


class ChangingMirror(DictMirror):
    """Answers differently when a bundle is fetched for the second time."""

    def fetch(self, path, limit):
        """Replace armani by cancro the second time."""
        data = super().fetch(path, limit)
        if "/entries/" in path and self.fetched.count(path) > 1:
            return data.replace(b"armani", b"cancro")
        return data


def test_second_reading_must_match_the_tree(tree, first_memory, folder):
    """Entries that are not in the signed tree are not compared with the folder."""
    inquiry = Inquiry(folder, ["cancro"])
    assert audit_with_inquiry(ChangingMirror(tree.files), first_memory, inquiry) == [Kind.LOG]
    assert (inquiry.compared, inquiry.unlogged, list(inquiry.listed)) == (0, [], [])
