"""Clients that no row can say: each shows what its sentence names, in a life or to the system."""

import sys
from collections import Counter
from dataclasses import replace

import pytest

from client_sim.device.client import PollingClient
from client_sim.lab.clients.downloading import BLOCK, LENGTH, DownloadingToy
from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.mutants import behaviours, packages
from client_sim.lab.mutants.library import find_mutant
from client_sim.lab.trace.detours import watch_detours
from tests.cases import case
from tests.client_sim.lab.mutants.comparisons import COMPARISONS, LOT, follows
from tests.client_sim.lab.mutants.habitat import PUBLIC, lead, serve_well

FOLLOWED = {
    "events": "activity-message activity-call-around",
    "owner in a failure": "burst-retries plain-after-failure",
    "seed": "session-of-poll package-own-address",
    "server": "resumed-early resume-if-range",
    "keys": "key-served",
    "owner": "absent-close absent-poll incremental-serial size-blocks size-order size-charged",
    "cut": "resume-exact resume-tail",
    "build": "incremental-build",
}
NAMES = {name for names in FOLLOWED.values() for name in names.split()}
OPEN = {"hangs-on", "one-for-days", "hangs-on-around"}
PACKAGE = b"GET /targets/armani/id/stable/" + b"6a2c5f0d" * 8 + b".armani-2-full.zip HTTP/1.1\r\n"
BLOCKS = [b"bytes=0-8388607", b"bytes=8388608-16777215", b"bytes=16777216-19999999"]


def with_packages(answer):
    """Make a server that answers so where a package is asked for."""
    return lambda asked: (
        answer(serve_well(asked)) if asked.path.startswith(b"/targets/") else serve_well(asked)
    )


def running(incremental):
    """Give a phone on which another build runs."""
    return replace(PUBLIC, build=replace(PUBLIC.build, incremental=incremental))


LOTS = {
    "cut": [
        LOT.but(serve=with_packages(change))
        for change in (
            lambda whole: whole[:4_900],
            lambda whole: whole[:1],
            lambda whole: whole + b"." * 4_000,
        )
    ],
    "build": [LOT.but(public=running(name)) for name in ("1", "V417IR")],
}


def test_a_leak_follows_what_its_sentence_names():
    """With nothing else changed, something else leaves, or at another time."""
    for what, names in FOLLOWED.items():
        for name in names.split():
            make = find_mutant(name).make
            if what in COMPARISONS:
                assert follows(make, what), name
            else:
                assert len({lead(make, lot).whole for lot in LOTS[what]}) > 1, name


def open_ends(make_client):
    """Give what is not closed in the poll in which it was opened."""
    trace = lead(make_client, LOT)
    opened = {(poll, what.split()[1]) for poll, what, _ in trace.data if "target" in what}
    closed = {
        (poll, what.split()[1])
        for poll, what, _ in trace.data
        if "close" in what and "since" not in what
    }
    return opened - closed


def test_a_connection_outlives_its_poll():
    """Something is never closed, or later; not so in clean clients.

    What was drawn once comes again: all intervals are one, as those of clean clients are not.
    """
    assert {name for name in OPEN if open_ends(find_mutant(name).make)} == OPEN
    assert not open_ends(ToyClient)
    assert not open_ends(PollingClient)
    lot = LOT.but(steps=("poll",) * 9)
    assert len(set(lead(find_mutant("phase-replayed-around").make, lot).gaps)) == 1
    assert len(set(lead(PollingClient, lot).gaps)) == 9


def test_everyone_is_here():
    """None is forgotten; `test_found` has those that ask again, or that few batteries examine."""
    mutants = (*behaviours.MUTANTS, *packages.MUTANTS)
    here = {*NAMES, *OPEN, "phase-replayed-around"}
    others = [each for each in mutants if not each.only and each.family != "again"]
    assert here == {mutant.id for mutant in others}


# Downloads.


def test_a_clean_download_follows_neither_cuts_nor_builds():
    """The whole block is asked for again, by every phone alike; a server may hang up.

    A leaky one takes 13 bytes of an error for the beginning, and names the 14th next.
    """
    for lots in LOTS.values():
        assert len({lead(DownloadingToy, lot).whole for lot in lots}) == 1
    for answer in (b"HTTP/1.1 404 x\r\nContent-Length: 0\r\n\r\n", b""):
        lot = LOT.but(serve=with_packages(lambda _, a=answer: a), steps=("poll", "poll"))
        ranges = [data for _, _, data in lead(DownloadingToy, lot).data if b"Range" in data]
        assert len(ranges) == 2
        assert all(BLOCKS[0] in data for data in ranges)
    error = b"HTTP/1.1 404 x\r\nContent-Length: 13\r\n\r\nnothing here\n"
    lot = LOT.but(serve=with_packages(lambda _: error), steps=("poll", "poll"))
    assert b"Range: bytes=13-8388607\r\n" in lead(find_mutant("resume-exact").make, lot).said


def test_a_package_is_fetched_in_aligned_blocks_behind_the_poll():
    """FORMATS section 9: ascending, 8 MiB, the last one short; Host and Range and nothing else."""
    given = []

    def serve(_answer):
        size = 8_388_608 if len(given) < 2 else 3_222_784
        given.append(size)
        return b"HTTP/1.1 206 x\r\nContent-Length: %d\r\n\r\n" % size + bytes(size)

    trace = lead(DownloadingToy, LOT.but(serve=with_packages(serve), steps=("poll", "poll")))
    host = b"Host: updates.hening.example:8080\r\n"
    asked = [data for _, _, data in trace.data if b"/targets/" in data]
    assert asked == [PACKAGE + host + b"Range: " + block + b"\r\n\r\n" for block in BLOCKS]
    assert trace.outcomes == ["fetched", "nothing new"]
    assert (BLOCK, LENGTH) == (8_388_608, 20_000_000)


# Past the world: what the system is told, and the polls beside it.


class Ears:
    """Hears what the interpreter tells while it listens."""

    def __init__(self):
        self.heard = None

    def hook(self, event, arguments):
        """Keep an event."""
        if self.heard is not None and event.partition(".")[0] in {"socket", "subprocess"}:
            self.heard.append((event, str(arguments)))


EARS = Ears()


@pytest.fixture
def heard():
    """Listen for a test; a hook stays for ever."""
    if EARS.heard is None:
        sys.addaudithook(EARS.hook)
    EARS.heard = []
    yield EARS.heard
    EARS.heard = []


def test_each_poll_tells_the_system_and_not_the_world(heard):
    """Four polls, four detours; what goes through the world is what a clean client sends.

    A program is started when a poll fails, and is told why.
    """
    for mutant_id, event, said in (
        ("detour-beat", "socket.sendto", "('127.0.0.1', 9)"),
        ("detour-beside", "socket.sendto", "('127.0.0.1', 9)"),
        ("detour-name", "socket.getaddrinfo", LOT.owner.serial),
    ):
        with case(mutant_id, event, said):
            heard.clear()
            told = lead(find_mutant(mutant_id).make, LOT)
            assert Counter(name for name, text in heard if said in text)[event] == 4
            assert told.whole == lead(ToyClient, LOT).whole

    def make(world):
        client = find_mutant("detour-program").make(world)
        client.failed(ConnectionError("no such name"))
        return client

    lead(make, LOT.but(steps=()))
    assert ("subprocess.Popen", True) in [(name, "no such name" in text) for name, text in heard]


def test_a_pause_is_asked_for_and_nothing_else_tells():
    """Once a poll, or once behind the one message; what leaves is what a clean client sends."""
    for mutant_id, times in (("pause-id", 4), ("pause-sms", 1)):
        with case(mutant_id, times):
            noted = []
            with watch_detours(noted.append):
                told = lead(find_mutant(mutant_id).make, LOT)
            assert len(noted) == times
            assert {note.split()[0] for note in noted} == {b"time.sleep"}
            assert len(set(noted)) == 1
            assert told.data == lead(ToyClient, LOT).data
