"""A poll is complete if it requested and received everything that the server's answers require."""

import json
from dataclasses import dataclass

import pytest

from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.oracles.completion import Incompletion, find_incompletions
from client_sim.lab.scenarios.driving import IDLE, run_scenario
from client_sim.lab.trace.memory import Entropy, MemoryWorld
from client_sim.lab.trace.observation import Channel, Departure, Observation
from client_sim.persona import make_persona
from tests.cases import case

OWNER = make_persona(1)
ROOT, TIMESTAMP = "/metadata/2.root.json", "/metadata/timestamp.json"
ROLES = ("targets", "latest", "tables", "content")
FIRST = (
    *(ROOT, TIMESTAMP, "/metadata/3.snapshot.json"),
    *("/metadata/1.targets.json", "/metadata/2.latest.json", "/log/proof/latest.2"),
    *("/metadata/3.tables.json", "/log/proof/tables.3"),
    *("/metadata/4.content.json", "/log/proof/content.4"),
    *(f"/targets/tables/ca/{'5c' * 32}.00.xz", f"/targets/tables/ca/{'5d' * 32}.01.xz"),
)


def meta(**versions):
    """Encode metadata that names versions."""
    named = {f"{role}.json": {"version": version} for role, version in versions.items()}
    return json.dumps({"signed": {"meta": named}}).encode()


TABLES = json.dumps(
    {
        "signed": {
            "targets": {
                "tables/ca/00.xz": {"hashes": {"sha256": "5c" * 32}},
                "tables/ca/01.xz": {"hashes": {"sha256": "5d" * 32}},
            }
        }
    }
).encode()
BODIES = {
    "/metadata/3.tables.json": TABLES,
    TIMESTAMP: meta(snapshot=3),
    "/metadata/3.snapshot.json": meta(**{role: place for place, role in enumerate(ROLES, 1)}),
}


def serve(asked, missing=()):
    """Answer one request for a repository with snapshot 3."""
    path = asked.data.split(b" ")[1].decode()
    there = path in FIRST[1:] and path not in missing
    body = BODIES.get(path, b"{}") if there else b""
    status = b"200 OK" if there else b"404 Not Found"
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)


def polling(first, later=(ROOT, TIMESTAMP)):
    """Make a client that requests these paths in its first poll and in later ones."""

    class Client(ToyClient):
        def paths(self):
            paths = later if "polled" in self.world.state else first
            self.world.state["polled"] = b"1"
            return paths

    return Client


def explain(public, factory, respond=serve):
    """Run four polls and return the explanations."""
    world = MemoryWorld(public, OWNER, entropy=Entropy(b"e"), start=0.0, respond=respond)
    found = find_incompletions(run_scenario(factory, world, IDLE, OWNER), public)
    return [incompletion.explanation for incompletion in found]


def test_each_missing_request_or_answer_is_found(public):
    """The explanation names the path that was not requested or not answered."""
    assert explain(public, polling(FIRST)) == []
    for left_out in FIRST[2:]:
        found = explain(public, polling(tuple(path for path in FIRST if path != left_out)))
        assert left_out in found[0] or "snapshot 3" in found[0]
    for missing in FIRST[1:]:
        found = explain(public, polling(FIRST), lambda asked, at=missing: serve(asked, (at,)))
        assert f"404 to {missing}" in found[0]


# `printf latest/armani/id/stable | sha256sum` gives aacd4d75…: latest-2 of 4, latest-a of 16.
@pytest.mark.parametrize(("parts", "holder"), [(4, "latest-2"), (16, "latest-a")])
def test_own_part_of_a_split_latest_is_required(public, parts, holder):
    """The part and its proof replace latest; other parts do not."""
    assert (public.codename, public.region, public.channel) == ("armani", "id", "stable")
    listed = {f"latest-{part:x}": 7 for part in range(parts)}
    bodies = {
        **BODIES,
        "/metadata/3.snapshot.json": meta(targets=1, latest=2, tables=3, content=4, **listed),
    }

    def respond(asked):
        body = bodies.get(asked.data.split(b" ")[1].decode(), b"{}")
        if asked.data.startswith(b"GET /metadata/2.root"):
            return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)

    def ask(part, proof):
        swap = {"/metadata/2.latest.json": part, "/log/proof/latest.2": proof}
        return polling(tuple(swap.get(path, path) for path in FIRST))

    own, its_proof = f"/metadata/7.{holder}.json", f"/log/proof/{holder}.7"
    assert explain(public, ask(own, its_proof), respond) == []
    assert its_proof in explain(public, ask(own, "/log/proof/latest-0.7"), respond)[0]
    other = ask("/metadata/7.latest-0.json", "/log/proof/latest-0.7")
    assert own in explain(public, other, respond)[0]
    assert own in explain(public, polling(FIRST), respond)[0]


def test_client_that_requests_only_root_is_found(public):
    """Every poll is a finding."""
    assert len(explain(public, polling((ROOT,), (ROOT,)))) == 4
    assert len(explain(public, polling((TIMESTAMP,), (TIMESTAMP,)))) == 4


@pytest.mark.parametrize("status", [b"206 Partial Content", b"404 Not Found"])
def test_download_is_not_part_of_a_poll(public, status):
    """A poll is judged without its blocks, whether they arrive or not."""

    def serve_blocks(asked):
        if b" /targets/armani/" in asked.data:
            return b"HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n" % status
        return serve(asked)

    package = f"/targets/armani/id/stable/{'a' * 64}.zip"
    assert explain(public, polling((*FIRST, package)), serve_blocks) == []
    assert len(explain(public, polling((ROOT, package), (ROOT, package)), serve_blocks)) == 4


@dataclass
class _Outcome:
    failure: str | None


def test_failure_reported_by_the_client(public):
    """The failure of the poll's outcome is the explanation."""

    class Honest(polling(FIRST)):
        def poll(self):
            super().poll()
            return _Outcome("Root 1 is not signed by 2 keys.")

    class Content(polling(FIRST)):
        def poll(self):
            super().poll()
            return _Outcome(None)

    assert explain(public, Honest) == ["the poll ended early: Root 1 is not signed by 2 keys."] * 4
    assert explain(public, Content) == []


def answer(path, status=200, **versions):
    """Return a path and its answer, which names these versions."""
    body = meta(**versions)
    head = b"HTTP/1.1 %d Word\r\nContent-Length: %d\r\n\r\n" % (status, len(body))
    return path, head + body


def unanswered(path):
    """Return a path without an answer."""
    return path, b""


def observe(*polls, failures=None):
    """Make a run of polls, each with its requests and answers on one connection, if it has any."""
    left, received = [], []
    for number, exchanges in enumerate(polls, 1):
        phase = f"poll {number}"
        if exchanges:
            asked = b"".join(
                b"GET %s HTTP/1.1\r\nHost: h.example\r\n\r\n" % path.encode()
                for path, _ in exchanges
            )
            left.append(Departure(1.0, phase, Channel.CONNECT, len(received), b"a 80 plain"))
            left.append(Departure(1.0, phase, Channel.BYTES, len(received), asked))
            received.append(b"".join(given for _, given in exchanges))
        left.append(Departure(2.0, phase, Channel.SCHEDULE, -1, b"20000.0"))
    return Observation(tuple(left), (), (), tuple(received), None, (), failures or {})


NO_ROOT = answer(ROOT, 404)
UP_TO_SNAPSHOT = (NO_ROOT, answer(TIMESTAMP, snapshot=1))


def test_exact_incompletions(public):
    """An incompletion has the departure of the due time, and the poll's first connection if any."""
    for polls, explanation in (
        ([()], "the poll sent no request, so there is nothing to judge"),
        (
            [(answer(ROOT),)],
            "the poll did not ask for roots until the server had no newer one",
        ),
        (
            [(unanswered(ROOT),)],
            "the poll did not ask for roots until the server had no newer one",
        ),
        (
            [(NO_ROOT, unanswered(TIMESTAMP))],
            f"the server answered nothing to {TIMESTAMP}, so the poll is incomplete",
        ),
        ([(NO_ROOT,)], f"the poll did not ask for {TIMESTAMP}, so nothing could be new"),
        (
            [UP_TO_SNAPSHOT],
            "the poll ended before snapshot 1, which the timestamp names",
        ),
        (
            [(*UP_TO_SNAPSHOT, answer("/metadata/1.snapshot.json", tables=1))],
            "the poll ended before /metadata/1.tables.json, which the snapshot names",
        ),
    ):
        with case(polls, explanation):
            seen = observe(*polls)
            connection = seen.connections()[0] if polls[0] else None
            assert find_incompletions(seen, public) == (
                Incompletion(seen.departures[-1], connection, explanation),
            )


def test_exact_incompletion_of_an_exception(public):
    """An exception belongs to no connection."""
    crash = Departure(1.0, "poll 1", Channel.CRASH, -1, b"KeyError")
    assert find_incompletions(Observation((crash,), (), (), (), None), public) == (
        Incompletion(crash, None, "the client raised an exception that it should handle"),
    )


def test_incompletion_has_the_connection_of_its_poll(public):
    """The second poll is incomplete, so its connection is named."""
    whole = (NO_ROOT, answer(TIMESTAMP))
    seen = observe(whole, (NO_ROOT,))
    (found,) = find_incompletions(seen, public)
    assert found.connection == seen.connections()[1]
    assert found.departure.phase == "poll 2"


def test_nothing_unnamed_is_required(public):
    """A poll is complete without roles that the server does not name, or that are held already."""
    for polls in (
        [(NO_ROOT, answer(TIMESTAMP))],
        [(answer(ROOT), answer("/metadata/3.root.json", 404), answer(TIMESTAMP))],
        [(*UP_TO_SNAPSHOT, answer("/metadata/1.snapshot.json"))],
        [
            (
                *(*UP_TO_SNAPSHOT, answer("/metadata/1.snapshot.json", targets=1)),
                answer("/metadata/1.targets.json"),
            ),
            (
                *(NO_ROOT, answer(TIMESTAMP, snapshot=2)),
                answer("/metadata/2.snapshot.json", targets=1),
            ),
        ],
    ):
        with case(polls):
            assert find_incompletions(observe(*polls), public) == ()


def test_only_new_roles_are_required(public):
    """The second poll needs new tables, but not the same targets again."""
    first = (
        *(*UP_TO_SNAPSHOT, answer("/metadata/1.snapshot.json", targets=1, tables=1)),
        *(answer("/metadata/1.targets.json"), answer("/metadata/1.tables.json")),
        answer("/log/proof/tables.1"),
    )
    second = (
        *(NO_ROOT, answer(TIMESTAMP, snapshot=2)),
        answer("/metadata/2.snapshot.json", targets=1, tables=2),
    )
    (found,) = find_incompletions(observe(first, second), public)
    assert found.explanation == (
        "the poll ended before /metadata/2.tables.json, which the snapshot names"
    )


def test_failure_of_a_complete_poll_is_found(public):
    """The failure belongs to its own phase only."""
    whole = (NO_ROOT, answer(TIMESTAMP))
    seen = observe(whole, whole, failures={"poll 2": "so it ended"})
    (found,) = find_incompletions(seen, public)
    assert (found.departure.phase, found.explanation) == ("poll 2", "so it ended")


def encode_tables(*digests):
    """Encode tables that list the parts of a pack; return them and the paths of the parts."""
    listed = {
        f"tables/ca/{number:02}.xz": {"hashes": {"sha256": digest}}
        for number, digest in enumerate(digests)
    }
    paths = [f"/targets/tables/ca/{each}.{n:02}.xz" for n, each in enumerate(digests)]
    return json.dumps({"signed": {"targets": listed}}).encode(), paths


def test_new_parts_of_a_pack_are_required(public):
    """A part that the previous version listed is held already."""
    polls = []
    for version, digests in ((1, ("5c" * 32,)), (2, ("5c" * 32, "5d" * 32))):
        body, paths = encode_tables(*digests)
        polls.append(
            (
                *(NO_ROOT, answer(TIMESTAMP, snapshot=version)),
                answer(f"/metadata/{version}.snapshot.json", tables=version),
                (
                    f"/metadata/{version}.tables.json",
                    b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body),
                ),
                *(answer(f"/log/proof/tables.{version}"), answer(paths[-1])),
            )
        )
    assert find_incompletions(observe(*polls), public) == ()
    (found,) = find_incompletions(observe(polls[0], polls[1][:-1]), public)
    assert found.explanation == (
        f"the poll ended before /targets/tables/ca/{'5d' * 32}.01.xz, which its role lists"
    )
