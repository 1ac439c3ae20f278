"""A public tree for each test, and a function that audits it."""

import pytest

from signer.audit.log_audit import audit_log
from signer.audit.memory import begin_memory
from tests.signer.audit.public_tree import NOW, DictMirror, make_tree

_FIRST = make_tree()


@pytest.fixture
def tree():
    """Return a valid public tree."""
    return _FIRST.copy()


@pytest.fixture
def first_memory(tree):
    """Return the memory of an auditor that trusts the first root and has seen nothing."""
    return begin_memory(tree.files["/metadata/1.root.json"])


@pytest.fixture
def audit(first_memory):
    """Return a function that audits a tree, from the start or from a memory."""

    def run(tree, memory=first_memory, now=NOW):
        mirror = tree if hasattr(tree, "fetch") else DictMirror(tree.files)
        return audit_log(mirror, memory, now, lambda _done, _total: None)

    return run
