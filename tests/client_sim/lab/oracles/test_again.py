"""What came whole and was accepted is not asked for again; what a phone may lack, is."""

import hashlib
import json

from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.oracles.again import judge_again
from client_sim.lab.scenarios.driving import POLL, RESET, Scenario, run_scenario
from client_sim.lab.trace.memory import Entropy, MemoryWorld, Pieces
from client_sim.persona import make_persona
from tests.cases import case

OWNER = make_persona(1)
BLOCK = 8 * 1024 * 1024
ROOT, NEXT_ROOT = "/metadata/2.root.json", "/metadata/3.root.json"
QUIET = (ROOT, "/metadata/timestamp.json")
SNAPSHOT, TARGETS = "/metadata/3.snapshot.json", "/metadata/1.targets.json"
LATEST, LATEST_PROOF = "/metadata/2.latest.json", "/log/proof/latest.2"
TABLES, TABLES_PROOF = "/metadata/4.tables.json", "/log/proof/tables.4"
CONTENT, CONTENT_PROOF = "/metadata/5.content.json", "/log/proof/content.5"
NEW_TABLES = "/metadata/5.tables.json"
PARTS = {
    f"/targets/tables/{kind}/{hashlib.sha256(part).hexdigest()}.00.xz": part
    for kind, part in (("emergency", b"numbers"), ("ca", b"keys"))
}
NUMBERS, KEYS = PARTS
ROLES = (SNAPSHOT, TARGETS, LATEST, LATEST_PROOF, TABLES, TABLES_PROOF)
FIRST = (*QUIET, *ROLES, NUMBERS)


def list_parts(*paths, withdrawn=()):
    """Write tables that list parts."""
    pack = {"version": 2, "withdrawn": [*withdrawn]}
    targets = {
        f"tables/{path.split('/')[3]}/00.xz": {"hashes": {"sha256": path.split("/")[4][:64]}}
        for path in paths
    }
    signed = {"custom": {"packs": {"emergency": pack, "ca": pack}}, "targets": targets}
    return json.dumps({"signed": signed}).encode()


def watch(public, *polls, between=(), changed=None, seconds=0.0):
    """Let a phone ask for these paths, poll by poll; return what is found.

    A block is written as `PATH FIRST`.
    `changed` are other answers than the usual ones: None is a 404. Each takes so many seconds.
    """
    said = {ROOT: None, NEXT_ROOT: None, TABLES: list_parts(NUMBERS), **PARTS, **(changed or {})}
    left = [*polls]

    class Client(ToyClient):
        def paths(self):
            return left.pop(0)

        def request(self, path):
            path, _, first = path.partition(" ")
            usual = super().request(path).decode()
            block = f"Range: bytes={first}-{int(first or 0) + BLOCK - 1}"
            return (usual.replace("Accept-Encoding: gzip", block) if first else usual).encode()

    def respond(asked):
        body = said.get(asked.data.split(b" ")[1].decode(), b"{}")
        status = 404 if body is None else 206 if b"\r\nRange" in asked.data else 200
        length = len(body or b"")
        whole = b"HTTP/1.1 %d OK\r\nContent-Length: %d\r\n\r\n%s" % (status, length, body or b"")
        return Pieces(whole, [(seconds, len(whole))])

    world = MemoryWorld(public, OWNER, entropy=Entropy(b"e"), start=0.0, respond=respond)
    steps = (POLL, *(step for _ in polls[1:] for step in (*between, POLL)))
    return judge_again(run_scenario(Client, world, Scenario("polls", steps), OWNER))


def ask(public, *polls, **how):
    """Give the paths that are asked for though the phone holds them."""
    lines = [each.offending().decode() for each in watch(public, *polls, **how)]
    assert all(line == f"GET {line.split(' ')[1]} HTTP/1.1" for line in lines)
    return [line.split(" ")[1] for line in lines]


def test_a_finding_says_what_is_asked_for_and_where(public):
    """By the connection, the request and its line."""
    found = watch(public, FIRST, (*QUIET, SNAPSHOT, NUMBERS))
    assert [each.explanation for each in found] == [
        "the phone asks again for what it holds: version 3 of snapshot",
        "the phone asks again for what it holds: a part of emergency",
    ]
    assert {(each.where, each.channel) for each in found} == {("connection 2, poll 2", "octets")}
    assert [each.field for each in found] == ["request 3, path", "request 4, path"]


def test_quiet_polls_ask_for_nothing_again(public):
    """The next root, which is not there, and the timestamp belong to each poll."""
    assert ask(public, FIRST, QUIET, QUIET) == []


def test_answers_are_read_where_something_is_asked_for_twice(public, monkeypatch):
    """Roots and the timestamp are in every poll: nearly all phones ask for nothing else again."""
    read = []
    monkeypatch.setattr(
        "client_sim.lab.oracles.again.decode_answers", lambda data: read.append(data) or ()
    )
    assert ask(public, FIRST, QUIET, QUIET) == []
    assert read == []
    assert ask(public, FIRST, (*QUIET, SNAPSHOT)) == []
    assert len(read) == 2


def test_what_is_held_is_found_in_any_later_poll(public):
    """Each role and part by itself; a phone that was reset holds nothing."""
    for path in (SNAPSHOT, TARGETS, LATEST, TABLES, NUMBERS):
        with case(path):
            again = (*QUIET, path)
            assert ask(public, FIRST, again) == [path]
            assert ask(public, FIRST, QUIET, again) == [path]
            assert ask(public, FIRST, again, between=(RESET,)) == []
            # A due time that is drawn anew is no reset.
            assert ask(public, FIRST, again, between=("back 90000",)) == [path]


def test_what_a_poll_ended_behind_may_have_been_refused(public):
    """A role with its proof; all before it was accepted, and so are parts of the right hash."""
    for last, refused in (
        *((path, {path}) for path in (SNAPSHOT, TARGETS, LATEST, TABLES)),
        *((LATEST_PROOF, {LATEST}), (TABLES_PROOF, {TABLES}), (NUMBERS, set())),
    ):
        with case(last, refused):
            ended = FIRST[: FIRST.index(last) + 1]
            held = {SNAPSHOT, TARGETS, LATEST, TABLES, NUMBERS} & {*ended}
            assert {*ask(public, ended, FIRST)} == held - refused


def test_without_its_proof_a_role_is_not_held(public):
    """Nor without itself."""
    for role, proof in ((LATEST, LATEST_PROOF), (TABLES, TABLES_PROOF)):
        for missing in (role, proof):
            assert role not in ask(public, FIRST, FIRST, changed={missing: None})


def test_a_refused_role_of_public_content_is_passed_over(public):
    """Behind it other roles follow, but none of its parts."""
    passed = (*QUIET, *ROLES, CONTENT, CONTENT_PROOF)
    assert TABLES not in ask(public, passed, FIRST)


def test_a_model_is_held_once_its_package_was_asked_for(public):
    """Before that the role may not have agreed with the offer."""
    model = ("/metadata/6.armani.json", "/log/proof/armani.6")
    assert ask(public, model, model) == []
    assert ask(public, (*model, "/targets/armani/id/stable/full.zip 0"), model) == [model[0]]
    assert ask(public, (*model, CONTENT), model) == []


def test_a_part_that_is_damaged_or_does_not_come_is_not_held(public):
    """And with it none of its role's, as all are asked for again."""
    for body in (b"other numbers", None):
        with case(body):
            parts = {TABLES: list_parts(NUMBERS, KEYS)}
            two = (*FIRST, KEYS)
            assert {NUMBERS, KEYS} <= {*ask(public, two, two, changed=parts)}
            assert not {NUMBERS, KEYS} & {*ask(public, two, two, changed={**parts, KEYS: body})}


def test_a_last_part_that_came_slowly_may_have_been_refused(public):
    """In half a minute an answer may be too slow for a phone; where more follows, it was not."""
    ten = (*QUIET, *ROLES, CONTENT, NUMBERS)
    assert ask(public, ten, (*QUIET, NUMBERS), seconds=3.0) == []
    assert ask(public, ten, (*QUIET, NUMBERS), seconds=2.5) == [NUMBERS]
    assert ask(public, (*FIRST, CONTENT), (*QUIET, NUMBERS), seconds=3.0) == [NUMBERS]


def find_new(*parts):
    """Give the paths of a poll that finds other tables."""
    roles = ("/metadata/4.snapshot.json", "/metadata/3.latest.json", "/log/proof/latest.3")
    return (*QUIET, *roles, NEW_TABLES, "/log/proof/tables.5", *parts)


def test_new_versions_make_a_phone_ask(public):
    """Of the snapshot and each role; which parts it asks for then is not judged here."""
    same = {NEW_TABLES: list_parts(NUMBERS)}
    assert ask(public, FIRST, find_new(NUMBERS), changed=same) == []
    assert ask(public, FIRST, find_new(NUMBERS), (*QUIET, NUMBERS), changed=same) == [NUMBERS]


def test_parts_of_the_version_before_are_held_with_the_new_ones(public):
    """When all that the new version lists is there: else all may be asked for again."""
    both, again = {NEW_TABLES: list_parts(NUMBERS, KEYS)}, (*QUIET, KEYS, NUMBERS)
    assert ask(public, FIRST, find_new(KEYS), again, changed=both) == [KEYS, NUMBERS]
    assert ask(public, FIRST, find_new(NUMBERS), again, changed=both) == []


def test_of_a_pack_that_knows_a_withdrawal_all_parts_must_come(public):
    """A phone fetches them all behind it, so one that was there before says nothing."""
    both = {NEW_TABLES: list_parts(NUMBERS, KEYS, withdrawn=[1])}
    again = (*QUIET, KEYS, NUMBERS)
    assert ask(public, FIRST, find_new(KEYS), again, changed=both) == []
    assert ask(public, FIRST, find_new(KEYS, NUMBERS), again, changed=both) == [KEYS, NUMBERS]


def test_new_keys_make_a_phone_ask_again(public):
    """Behind a new root for all roles, behind new targets for what they delegate."""
    found = {ROOT: b"{}"}
    behind = (NEXT_ROOT, QUIET[1], *ROLES)
    assert ask(public, FIRST, (ROOT, *behind), behind[:2], changed=found) == []
    # The poll broke off behind the root: who asks for the next one has accepted it.
    assert ask(public, FIRST, (ROOT,), behind, changed=found) == []
    targets = (SNAPSHOT, "/metadata/2.targets.json", LATEST, LATEST_PROOF, TABLES, TABLES_PROOF)
    assert ask(public, FIRST, (*QUIET, *targets)) == [SNAPSHOT]


def test_roots_may_be_followed_from_the_first_one_each_time(public):
    """A phone without a memory of roots asks for nothing else again."""
    chain = (ROOT, NEXT_ROOT, QUIET[1])
    assert ask(public, (*chain, *ROLES), chain, changed={ROOT: b"{}"}) == []
    assert ask(public, (*chain, *ROLES), (*chain, SNAPSHOT), changed={ROOT: b"{}"}) == [SNAPSHOT]


def test_blocks_in_front_of_the_last_one_are_held(public):
    """A download goes on with the block that broke off, or begins anew; nowhere in between."""

    def fetch(*starts, package="full"):
        return tuple(f"/targets/armani/id/stable/{package}.zip {start}" for start in starts)

    whole = fetch(0, BLOCK, 2 * BLOCK)
    assert watch(public, whole, fetch(2 * BLOCK, 3 * BLOCK)) == ()
    assert watch(public, whole, whole) == ()
    for held in (1, BLOCK):
        (found,) = watch(public, (*whole, *fetch(held)), fetch(2 * BLOCK))
        assert found.explanation.endswith(f"holds: the block at byte {held}")
    other = fetch(0, BLOCK, 2 * BLOCK, package="step")
    assert watch(public, whole, other, fetch(BLOCK, 2 * BLOCK)) == ()
