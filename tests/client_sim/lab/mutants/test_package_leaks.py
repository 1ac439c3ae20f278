"""A toy that downloads, and clients that tell more in a download than which block is next."""

from dataclasses import replace

import pytest

from client_sim.lab.clients.downloading import BLOCK, LENGTH, DownloadingToy
from client_sim.lab.mutants import packages
from client_sim.lab.mutants.library import find_mutant
from tests.client_sim.lab.mutants.comparisons import COMPARISONS, LOT, follows
from tests.client_sim.lab.mutants.habitat import PUBLIC, lead, serve_well

PACKAGE = b"GET /targets/armani/id/stable/" + b"6a2c5f0d" * 8 + b".armani-2-full.zip HTTP/1.1\r\n"
BLOCKS = [b"bytes=0-8388607", b"bytes=8388608-16777215", b"bytes=16777216-19999999"]


def cut_at(size):
    """Make a server that breaks off each block there."""

    def serve(asked):
        answer = serve_well(asked)
        return answer[: 5_000 - size] if asked.path.startswith(b"/targets/") else answer

    def serve_more(asked):
        answer = serve_well(asked)
        return answer + b"." * (size - 5_000) if asked.path.startswith(b"/targets/") else answer

    return serve_more if size > 5_000 else serve


def running(incremental):
    """Give a phone on which another build runs."""
    return replace(PUBLIC, build=replace(PUBLIC.build, incremental=incremental))


LOTS = {
    "cut": [LOT.but(serve=cut_at(size)) for size in (100, 4_999, 9_000)],
    "build": [LOT.but(public=running(name)) for name in ("1", "V417IR")],
}
PROOFS = {
    "resume-exact": "cut",
    "resume-tail": "cut",
    "resume-if-range": "server",
    "incremental-build": "build",
    "incremental-serial": "owner",
    "package-own-address": "seed",
    "size-blocks": "owner",
    "size-order": "owner",
    "size-charged": "owner",
}


@pytest.mark.parametrize("mutant", packages.MUTANTS, ids=lambda mutant: mutant.id)
def test_a_download_follows_what_its_sentence_names(mutant):
    """With nothing else changed, other blocks, names or times."""
    what = PROOFS[mutant.id]
    if what in COMPARISONS:
        assert follows(mutant.make, what)
    else:
        assert len({lead(mutant.make, lot).whole for lot in LOTS[what]}) > 1


def test_an_error_is_taken_for_the_beginning_of_a_block():
    """Of 13 bytes of an error, the next request names the 14th."""

    def serve(asked):
        if asked.path.startswith(b"/targets/"):
            return b"HTTP/1.1 404 x\r\nContent-Length: 13\r\n\r\nnothing here\n"
        return serve_well(asked)

    lot = LOT.but(serve=serve, steps=("poll", "poll"))
    assert b"Range: bytes=13-8388607\r\n" in lead(find_mutant("resume-exact").make, lot).said


@pytest.mark.parametrize("what", LOTS)
def test_a_clean_download_follows_neither_cuts_nor_builds(what):
    """The whole block is asked for again, by every phone alike."""
    assert len({lead(DownloadingToy, lot).whole for lot in LOTS[what]}) == 1


def test_a_package_is_fetched_in_aligned_blocks_behind_the_poll():
    """FORMATS section 9: ascending, 8 MiB, the last one short; Host and Range and nothing else."""

    def serve(asked):
        if not asked.path.startswith(b"/targets/"):
            return serve_well(asked)
        size = 8_388_608 if len(given) < 2 else 3_222_784
        given.append(size)
        return b"HTTP/1.1 206 x\r\nContent-Length: %d\r\n\r\n" % size + bytes(size)

    given = []
    trace = lead(DownloadingToy, LOT.but(serve=serve, steps=("poll", "poll")))
    host = b"Host: updates.hening.example:8080\r\n"
    asked = [data for _, what, data in trace.data if what == "bytes 2" or b"/targets/" in data]
    assert asked == [PACKAGE + host + b"Range: " + block + b"\r\n\r\n" for block in BLOCKS]
    assert trace.outcomes == ["fetched", "nothing new"]
    assert (BLOCK, LENGTH) == (8_388_608, 20_000_000)


@pytest.mark.parametrize("answer", [b"HTTP/1.1 404 x\r\nContent-Length: 0\r\n\r\n", b""])
def test_a_block_that_does_not_come_is_asked_for_again(answer):
    """Another poll, the same block; a server that hangs up changes nothing."""

    def serve(asked):
        return answer if asked.path.startswith(b"/targets/") else serve_well(asked)

    trace = lead(DownloadingToy, LOT.but(serve=serve, steps=("poll", "poll")))
    ranges = [data for _, _, data in trace.data if b"Range" in data]
    assert len(ranges) == 2
    assert all(BLOCKS[0] in data for data in ranges)


def test_every_download_is_proved():
    """None is forgotten; four variants of each family or so."""
    assert set(PROOFS) == {mutant.id for mutant in packages.MUTANTS}
    families = [mutant.family for mutant in packages.MUTANTS]
    assert all(families.count(family) >= 3 for family in ("L51", "L52", "L53"))
