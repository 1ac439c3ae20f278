"""Mirrors that answer anything: the audit returns findings or raises its own errors."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signer.audit.log_audit import audit_log
from signer.audit.memory import begin_memory
from tests.signer.audit.public_tree import NOW, DictMirror, checkpoint, make_tree

_TREE = make_tree()
_FIRST_MEMORY = begin_memory(_TREE.files["/metadata/1.root.json"])
_MEMORY = audit_log(DictMirror(_TREE.files), _FIRST_MEMORY, NOW, print).memory
_GROWN = _TREE.copy()
_GROWN.release("content", "root")
_FETCHED = DictMirror(_GROWN.files)
audit_log(_FETCHED, _MEMORY, NOW, print)
#: Every path that an audit fetches, including missing ones.
PATHS = sorted({*_FETCHED.fetched, *_GROWN.files})


def audit_with(files, memory):
    """Audit the files; there is a new memory only if nothing was wrong."""
    done = audit_log(DictMirror(files), memory, NOW, print)
    assert (done.memory is None) == (done.findings.wrong > 0)
    return done


@pytest.mark.parametrize("path", PATHS)
@settings(max_examples=15)
@given(data=st.binary(max_size=200), is_first=st.booleans())
def test_file_replaced_by_arbitrary_bytes(path, data, is_first):
    """The audit ends, and a new memory has the signed checkpoint."""
    done = audit_with(_GROWN.files | {path: data}, _FIRST_MEMORY if is_first else _MEMORY)
    if done.memory is not None:
        assert done.memory.checkpoint.encode() == _GROWN.files["/log/checkpoint"]


@pytest.mark.parametrize("path", sorted(_GROWN.files))
@settings(max_examples=15)
@given(data=st.data(), is_first=st.booleans())
def test_file_with_changed_bytes(path, data, is_first):
    """A few bytes of one file are changed, removed or added."""
    whole = _GROWN.files[path]
    place = data.draw(st.integers(0, max(0, len(whole) - 1)))
    other = whole[:place] + data.draw(st.binary(max_size=3)) + whole[place + 1 :]
    done = audit_with(_GROWN.files | {path: other}, _FIRST_MEMORY if is_first else _MEMORY)
    if done.memory is not None:
        assert done.memory.size == len(_GROWN.entries)


@pytest.mark.parametrize("is_first", [True, False])
@settings(max_examples=100)
@given(data=st.data())
def test_swapped_and_missing_files(is_first, data):
    """Valid files have wrong names, or are missing."""
    files = dict(_GROWN.files)
    for path in data.draw(st.lists(st.sampled_from(PATHS), max_size=5)):
        other = data.draw(st.none() | st.sampled_from(sorted(_GROWN.files)))
        if other is None:
            files.pop(path, None)
        else:
            files[path] = _GROWN.files[other]
    audit_with(files, _FIRST_MEMORY if is_first else _MEMORY)


def test_number_of_findings_is_limited(audit, tree) -> None:
    """All findings are counted, and the first thousand are kept."""
    tree.entries += [b"nonsense %d" % number for number in range(3000)]
    tree.write_log()
    done = audit(tree)
    assert done.findings.total == 3000
    assert len(done.findings.stored) == 1000


def test_number_of_kept_versions_is_limited(audit, tree, monkeypatch) -> None:
    """A role with many unpublished versions uses limited memory."""
    monkeypatch.setattr("signer.audit.ledger.MAX_VERSIONS", 100)
    for version in range(3, 500):
        tree.append_entry("armani", version, b"%d" % version)
    tree.write_log()
    done = audit(tree)
    assert done.findings.total == 1
    assert "never published" in done.findings.stored[0].text
    assert len(done.pending) < 100


@pytest.mark.parametrize("size", [2**53 - 1, 2**40])
def test_checkpoint_with_absurd_size(audit, tree, size):
    """A false size ends at the first missing tile."""
    memory = audit(tree).memory
    tree.files["/log/checkpoint"] = checkpoint(tree.leaves, size=size)
    for done in (audit(tree), audit(tree, memory)):
        assert done.memory is None
        assert "is missing, although the signed log has it" in done.findings.stored[0].text
