"""Mirrors that answer with anything: findings or our own errors, and nothing else."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signer.audit.log_audit import audit_log
from signer.audit.memory import begin_memory
from tests.signer.audit.public_tree import NOW, DictMirror, checkpoint, make_tree

_TREE = make_tree()
_BEGIN = begin_memory(_TREE.files["/metadata/1.root.json"])
_MEMORY = audit_log(DictMirror(_TREE.files), _BEGIN, NOW, print).memory
_GROWN = _TREE.copy()
_GROWN.release("content", "root")
_FETCHED = DictMirror(_GROWN.files)
audit_log(_FETCHED, _MEMORY, NOW, print)
#: Every path that an audit asks for, there or not.
PATHS = sorted({*_FETCHED.asked, *_GROWN.files})


def audit_with(files, memory):
    """Audit; whatever was wrong, a memory comes of it only where nothing was."""
    done = audit_log(DictMirror(files), memory, NOW, print)
    assert (done.memory is None) == (done.findings.wrong > 0)
    return done


@pytest.mark.parametrize("path", PATHS)
@settings(max_examples=15)
@given(data=st.binary(max_size=200), is_first=st.booleans())
def test_arbitrary_bytes_in_place_of_any_file(path, data, is_first):
    """The audit ends, and what is signed is not believed in another form."""
    done = audit_with(_GROWN.files | {path: data}, _BEGIN if is_first else _MEMORY)
    if done.memory is not None:
        assert done.memory.checkpoint.encode() == _GROWN.files["/log/checkpoint"]


@pytest.mark.parametrize("path", sorted(_GROWN.files))
@settings(max_examples=15)
@given(data=st.data(), is_first=st.booleans())
def test_a_changed_file(path, data, is_first):
    """One byte more, less or other."""
    whole = _GROWN.files[path]
    place = data.draw(st.integers(0, max(0, len(whole) - 1)))
    other = whole[:place] + data.draw(st.binary(max_size=3)) + whole[place + 1 :]
    done = audit_with(_GROWN.files | {path: other}, _BEGIN if is_first else _MEMORY)
    if done.memory is not None:
        assert done.memory.size == len(_GROWN.entries)


@pytest.mark.parametrize("is_first", [True, False])
@settings(max_examples=100)
@given(data=st.data())
def test_files_in_the_place_of_others(is_first, data):
    """Sound files under wrong names, several at once, and some that are gone."""
    files = dict(_GROWN.files)
    for path in data.draw(st.lists(st.sampled_from(PATHS), max_size=5)):
        other = data.draw(st.none() | st.sampled_from(sorted(_GROWN.files)))
        if other is None:
            files.pop(path, None)
        else:
            files[path] = _GROWN.files[other]
    audit_with(files, _BEGIN if is_first else _MEMORY)


def test_logs_without_end(audit, tree, monkeypatch) -> None:
    """Neither findings nor kept versions fill the memory, whatever the log holds."""
    first = tree.copy()
    tree.entries += [b"nonsense %d" % number for number in range(3000)]
    tree.write_log()
    done = audit(tree)
    assert done.findings.total == 3000
    assert len(done.findings.kept) == 1000
    tree = first.copy()
    monkeypatch.setattr("signer.audit.ledger.MAX_KEPT", 100)
    for version in range(3, 500):
        tree.log("armani", version, b"%d" % version)
    tree.write_log()
    done = audit(tree)
    assert done.findings.total == 1
    assert "never published" in done.findings.kept[0].text
    assert len(done.pending) < 100


@pytest.mark.parametrize("size", [2**53 - 1, 2**40])
def test_a_checkpoint_of_an_absurd_size(audit, tree, size):
    """A signed lie about the size ends at the first tile that is not there."""
    memory = audit(tree).memory
    tree.files["/log/checkpoint"] = checkpoint(tree.leaves, size=size)
    for done in (audit(tree), audit(tree, memory)):
        assert done.memory is None
        assert "is missing, although the signed log has it" in done.findings.kept[0].text
