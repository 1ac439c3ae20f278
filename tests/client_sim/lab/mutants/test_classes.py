"""Leaky clients that are classes: each leaks what its sentence names."""

from dataclasses import replace

from client_sim.device.client import PollingClient
from client_sim.lab.clients.following import BLOCK, LENGTH, DownloadingToy
from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.mutants import behaviours, packages
from client_sim.lab.mutants.library import ROWS, find_mutant
from tests.cases import case
from tests.client_sim.lab.mutants.comparisons import COMPARISONS, INPUTS, depends_on
from tests.client_sim.lab.mutants.inputs import PUBLIC, run, serve_well

DEPENDING = {
    "events": "activity-call-around",
    "seed": "package-own-address",
    "server": "resume-if-range",
    "keys": "key-served",
    "owner": "incremental-serial size-blocks size-charged",
    "cut": "resume-exact",
    "build": "incremental-build",
}
"""Clients by what their traces depend on."""
OPEN = {"one-for-days", "hangs-on-around"}
"""Clients with connections that stay open after their poll."""
PACKAGE = b"GET /targets/armani/id/stable/" + b"6a2c5f0d" * 8 + b".armani-2-full.zip HTTP/1.1\r\n"
BLOCKS = [b"bytes=0-8388607", b"bytes=8388608-16777215", b"bytes=16777216-19999999"]


def with_packages(answer):
    """Return a server whose answers to requests for packages are changed."""
    return lambda asked: (
        answer(serve_well(asked)) if asked.path.startswith(b"/targets/") else serve_well(asked)
    )


def running(incremental):
    """Return a phone that runs another build."""
    return replace(PUBLIC, build=replace(PUBLIC.build, incremental=incremental))


MORE_COMPARISONS = {
    "cut": [
        INPUTS.but(serve=with_packages(change))
        for change in (
            lambda whole: whole[:4_900],
            lambda whole: whole[:1],
            lambda whole: whole + b"." * 4_000,
        )
    ],
    "build": [INPUTS.but(public=running(name)) for name in ("1", "V417IR")],
}


def test_trace_depends_on_what_the_sentence_names():
    """With everything else equal, other bytes leave, or at another time."""
    for what, names in DEPENDING.items():
        for name in names.split():
            make = find_mutant(name).make
            if what in COMPARISONS:
                assert depends_on(make, what), name
            else:
                several = MORE_COMPARISONS[what]
                assert len({run(make, inputs).whole for inputs in several}) > 1, name


def find_open(make_client):
    """Return the connections that are not closed in the poll in which they were opened."""
    connections = run(make_client, INPUTS).seen.connections()
    return [each for each in connections if (each.closes, each.last_phase) != (1, each.phase)]


def test_connections_that_stay_open():
    """Some clients leave connections open after a poll; clean clients close all of them."""
    assert {name for name in OPEN if find_open(find_mutant(name).make)} == OPEN
    assert not find_open(ToyClient)
    assert not find_open(PollingClient)


def test_every_class_is_tested():
    """`test_found` tests those that only some batteries examine."""
    mutants = (*behaviours.MUTANTS, *packages.MUTANTS)
    depending = {name for names in DEPENDING.values() for name in names.split()}
    others = {mutant.id for mutant in mutants if not mutant.only}
    assert {*depending, *OPEN} - {row.id for row in ROWS} == others


# Downloads.


def test_clean_download_depends_on_neither_cuts_nor_builds():
    """The whole block is requested again after an error or a closed connection.

    `resume-exact` takes the 13 bytes of an error for the beginning, and requests the rest.
    """
    for several in MORE_COMPARISONS.values():
        assert len({run(DownloadingToy, inputs).whole for inputs in several}) == 1
    for answer in (b"HTTP/1.1 404 x\r\nContent-Length: 0\r\n\r\n", b""):
        inputs = INPUTS.but(serve=with_packages(lambda _, a=answer: a), steps=("poll", "poll"))
        ranges = [data for *_, data in run(DownloadingToy, inputs).data if b"Range" in data]
        assert len(ranges) == 2
        assert all(BLOCKS[0] in data for data in ranges)
    error = b"HTTP/1.1 404 x\r\nContent-Length: 13\r\n\r\nnothing here\n"
    inputs = INPUTS.but(serve=with_packages(lambda _: error), steps=("poll", "poll"))
    assert b"Range: bytes=13-8388607\r\n" in run(find_mutant("resume-exact").make, inputs).said


def test_package_is_fetched_in_aligned_blocks():
    """After the poll, 8 MiB each, with Host and Range only (FORMATS section 9)."""
    sizes = iter((8_388_608, 8_388_608, 3_222_784))

    def serve(_answer):
        size = next(sizes)
        return b"HTTP/1.1 206 x\r\nContent-Length: %d\r\n\r\n" % size + bytes(size)

    trace = run(DownloadingToy, INPUTS.but(serve=with_packages(serve), steps=("poll", "poll")))
    host = b"Host: updates.hening.example:8080\r\n"
    asked = [data for *_, data in trace.data if b"/targets/" in data]
    assert asked == [PACKAGE + host + b"Range: " + block + b"\r\n\r\n" for block in BLOCKS]
    assert trace.seen.outcomes == ("fetched", "nothing new")
    assert (BLOCK, LENGTH) == (8_388_608, 20_000_000)


# Detours: calls that bypass the world.


def test_detours_are_recorded():
    """What leaves through the world is what a clean client sends.

    A client detours once a poll, or once after the only message.
    """
    for mutant_id, said, times in (
        ("detour-beat", "socket.sendto ('127.0.0.1', 9)", 4),
        ("detour-name", f"socket.getaddrinfo {INPUTS.owner.serial}", 4),
        ("pause-sms", "time.sleep", 1),
    ):
        with case(mutant_id):
            trace = run(find_mutant(mutant_id).make, INPUTS)
            assert len(trace.bypasses) == times
            assert len(set(trace.bypasses)) == 1
            assert trace.bypasses[0].startswith(said.encode())
            assert trace.data == run(ToyClient, INPUTS).data
