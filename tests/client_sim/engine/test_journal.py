import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_sim.engine.digest import STATE_BYTES
from client_sim.engine.journal import Disk, Journal, JournalFolder, decode_journal, encode_journal
from tests.cases import case
from tests.client_sim.engine.power_cut import CountingDisk, DyingDisk, PowerCut

STATE = "00" * STATE_BYTES
JOURNAL = Journal("ab" * 32, 1000, 500, 3, (100, 300), (STATE, STATE, STATE))


def test_encoding_of_a_journal():
    """A journal is canonical JSON, and each has one encoding."""
    data = encode_journal(JOURNAL)
    assert decode_journal(data) == JOURNAL
    assert data.startswith(b'{"carry":[100,300],"digests":["00')
    for other in (b" " + data, data + b"\n", data[:-1], data.replace(b":1", b": 1")):
        assert decode_journal(other) is None


def test_invalid_journals():
    """Positions out of order or beyond the package, and states of another length, are invalid."""
    for changes in (
        {"position": 1001},
        {"position": 300},
        {"position": -1},
        {"operation": -1},
        {"carry": (300, 100)},
        {"carry": (100, 100)},
        {"carry": (-1,)},
        {"digests": (STATE, STATE, STATE[:-2])},
        {"digests": (STATE, STATE, "zz" * STATE_BYTES)},
    ):
        with case(changes):
            assert decode_journal(encode_journal(dataclasses.replace(JOURNAL, **changes))) is None


@given(st.binary(max_size=400) | st.integers(0, 10**6).map(lambda n: b"[" * (n % 5000)))
def test_arbitrary_bytes_are_no_journal(data):
    """Arbitrary bytes raise no error."""
    assert decode_journal(data) is None


def test_carried_bytes_are_loaded_in_order(tmp_path):
    """Only the pieces that the journal names are loaded, up to its position."""
    folder = JournalFolder(tmp_path / "update", Disk())
    folder.begin(b"head")
    for start, size in ((0, 100), (100, 200), (300, 200)):
        folder.store_carry(start, bytes([start % 251]) * size)
    folder.store(JOURNAL)
    assert folder.load(JOURNAL.sha256, JOURNAL.length) == JOURNAL
    assert folder.load_head() == b"head"
    assert folder.load_carry(JOURNAL) == bytes([100]) * 200 + bytes([49]) * 200
    assert not (tmp_path / "update" / "carry-0").exists()
    assert folder.load("cd" * 32, JOURNAL.length) is None
    assert folder.load(JOURNAL.sha256, 999) is None
    folder.clear()
    assert list((tmp_path / "update").iterdir()) == []
    assert folder.load(JOURNAL.sha256, JOURNAL.length) is None
    assert folder.load_carry(JOURNAL) is None
    assert folder.load_head() == b""


def test_a_power_cut_leaves_the_old_journal_or_the_new_one(tmp_path):
    """After a cut at any step, the files that the journal names are there."""
    new = Journal("ab" * 32, 1000, 600, 4, (550,), (STATE, STATE, STATE))

    def prepare(folder):
        folder.begin(b"head")
        folder.store_carry(100, bytes(200))
        folder.store_carry(300, bytes(200))
        folder.store(JOURNAL)

    def resume(folder):
        folder.store_carry(550, bytes(50))
        folder.store(new)

    counting = CountingDisk()
    prepare(JournalFolder(tmp_path / "whole", Disk()))
    resume(JournalFolder(tmp_path / "whole", counting))
    for last in range(len(counting.steps)):
        place = tmp_path / str(last)
        prepare(JournalFolder(place, Disk()))
        with pytest.raises(PowerCut):
            resume(JournalFolder(place, DyingDisk(last)))
        folder = JournalFolder(place, Disk())
        journal = folder.load(JOURNAL.sha256, 1000)
        assert journal in {JOURNAL, new}
        assert folder.load_carry(journal) is not None
