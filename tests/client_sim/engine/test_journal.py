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


def test_it_comes_back():
    """What was encoded is decoded, as canonical JSON; one value has one encoding."""
    data = encode_journal(JOURNAL)
    assert decode_journal(data) == JOURNAL
    assert data.startswith(b'{"carry":[100,300],"digests":["00')
    for other in (b" " + data, data + b"\n", data[:-1], data.replace(b":1", b": 1")):
        assert decode_journal(other) is None


def test_a_journal_that_cannot_be_is_no_journal():
    """Places out of order or out of the package, states of another length."""
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
    """Nothing is raised, and nothing found."""
    assert decode_journal(data) is None


def test_kept_bytes_come_back_in_order(tmp_path):
    """The pieces that a journal names, and no others, up to its position."""
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
    """At any step, and what it names is there."""
    new = Journal("ab" * 32, 1000, 600, 4, (550,), (STATE, STATE, STATE))

    def prepare(folder):
        folder.begin(b"head")
        folder.store_carry(100, bytes(200))
        folder.store_carry(300, bytes(200))
        folder.store(JOURNAL)

    def go_on(folder):
        folder.store_carry(550, bytes(50))
        folder.store(new)

    counting = CountingDisk()
    prepare(JournalFolder(tmp_path / "whole", Disk()))
    go_on(JournalFolder(tmp_path / "whole", counting))
    for last in range(len(counting.steps)):
        place = tmp_path / str(last)
        prepare(JournalFolder(place, Disk()))
        with pytest.raises(PowerCut):
            go_on(JournalFolder(place, DyingDisk(last)))
        folder = JournalFolder(place, Disk())
        journal = folder.load(JOURNAL.sha256, 1000)
        assert journal in {JOURNAL, new}
        assert folder.load_carry(journal) is not None
