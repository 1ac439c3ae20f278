"""Clients that no row can say: each shows what its sentence names, in a life or to the system."""

from dataclasses import replace

from client_sim.device.client import PollingClient
from client_sim.lab.clients.following import BLOCK, LENGTH, DownloadingToy
from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.mutants import behaviours, packages
from client_sim.lab.mutants.library import find_mutant
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
    """Give the connections that are not closed in the poll in which they were opened."""
    connections = lead(make_client, LOT).seen.connections()
    return [each for each in connections if (each.closes, each.last_phase) != (1, each.phase)]


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
        ranges = [data for *_, data in lead(DownloadingToy, lot).data if b"Range" in data]
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
    asked = [data for *_, data in trace.data if b"/targets/" in data]
    assert asked == [PACKAGE + host + b"Range: " + block + b"\r\n\r\n" for block in BLOCKS]
    assert trace.seen.outcomes == ("fetched", "nothing new")
    assert (BLOCK, LENGTH) == (8_388_608, 20_000_000)


# Past the world: what the system is told, and the polls beside it.


def test_each_poll_tells_the_system_and_not_the_world():
    """So many detours; what goes through the world is what a clean client sends.

    A pause is asked for once a poll, or once behind the one message.
    """
    for mutant_id, said, times in (
        ("detour-beat", "socket.sendto ('127.0.0.1', 9)", 4),
        ("detour-beside", "socket.sendto ('127.0.0.1', 9)", 4),
        ("detour-name", f"socket.getaddrinfo {LOT.owner.serial}", 4),
        ("pause-id", "time.sleep", 4),
        ("pause-sms", "time.sleep", 1),
    ):
        with case(mutant_id):
            told = lead(find_mutant(mutant_id).make, LOT)
            assert len(told.detours) == times
            assert len(set(told.detours)) == 1
            assert told.detours[0].startswith(said.encode())
            assert told.data == lead(ToyClient, LOT).data


def test_a_program_is_started_when_a_poll_fails(monkeypatch):
    """It is told why."""
    started = []
    monkeypatch.setattr("subprocess.run", lambda words, **_: started.append(words))

    def make(world):
        client = find_mutant("detour-program").make(world)
        client.failed(ConnectionError("no such name"))
        return client

    lead(make, LOT.but(steps=()))
    assert started == [["/bin/true", "no such name"]]
