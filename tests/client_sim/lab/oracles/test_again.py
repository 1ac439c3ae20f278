"""Requests for data that the phone already holds are found; requests for missing data are not."""

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


def encode_tables(*paths, withdrawn=()):
    """Encode a version of tables that lists these parts."""
    pack = {"version": 2, "withdrawn": [*withdrawn]}
    targets = {
        f"tables/{path.split('/')[3]}/00.xz": {"hashes": {"sha256": path.split("/")[4][:64]}}
        for path in paths
    }
    signed = {"custom": {"packs": {"emergency": pack, "ca": pack}}, "targets": targets}
    return json.dumps({"signed": signed}).encode()


def judge(public, *polls, between=(), changed=None, seconds=0.0):
    """Run polls that request these paths, and return the findings.

    A block is written as `PATH FIRST`. `changed` replaces answers; None is a 404. Each answer takes
    `seconds`.
    """
    bodies = {
        ROOT: None,
        NEXT_ROOT: None,
        TABLES: encode_tables(NUMBERS),
        **PARTS,
        **(changed or {}),
    }
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
        body = bodies.get(asked.data.split(b" ")[1].decode(), b"{}")
        status = 404 if body is None else 206 if b"\r\nRange" in asked.data else 200
        length = len(body or b"")
        whole = b"HTTP/1.1 %d OK\r\nContent-Length: %d\r\n\r\n%s" % (status, length, body or b"")
        return Pieces(whole, [(seconds, len(whole))])

    world = MemoryWorld(public, OWNER, entropy=Entropy(b"e"), start=0.0, respond=respond)
    steps = (POLL, *(step for _ in polls[1:] for step in (*between, POLL)))
    return judge_again(run_scenario(Client, world, Scenario("polls", steps), OWNER))


def repeats(public, *polls, **options):
    """Return the paths that the findings show."""
    lines = [each.offending().decode() for each in judge(public, *polls, **options)]
    assert all(line == f"GET {line.split(' ')[1]} HTTP/1.1" for line in lines)
    return [line.split(" ")[1] for line in lines]


def test_finding_names_request_and_connection(public):
    """A finding names the data, the connection and the request."""
    found = judge(public, FIRST, (*QUIET, SNAPSHOT, NUMBERS))
    assert [each.explanation for each in found] == [
        "the phone requests version 3 of snapshot again, which it already holds",
        "the phone requests a part of emergency again, which it already holds",
    ]
    assert {(each.where, each.channel) for each in found} == {("connection 2, poll 2", "octets")}
    assert [each.field for each in found] == ["request 3, path", "request 4, path"]


def test_answers_are_decoded_only_after_a_repeated_request(public, monkeypatch):
    """Roots and the timestamp, which every poll requests, do not count as repeated."""
    read = []
    monkeypatch.setattr(
        "client_sim.lab.oracles.again.decode_answers", lambda data: read.append(data) or ()
    )
    assert repeats(public, FIRST, QUIET, QUIET) == []
    assert read == []
    assert repeats(public, FIRST, (*QUIET, SNAPSHOT)) == []
    assert len(read) == 2


def test_held_data_requested_again_in_any_later_poll(public):
    """Every role and part is found, but not after a reset, which deletes everything."""
    for path in (SNAPSHOT, TARGETS, LATEST, TABLES, NUMBERS):
        with case(path):
            again = (*QUIET, path)
            assert repeats(public, FIRST, again) == [path]
            assert repeats(public, FIRST, QUIET, again) == [path]
            assert repeats(public, FIRST, again, between=(RESET,)) == []
            # Drawing a new due time does not reset the phone.
            assert repeats(public, FIRST, again, between=("back 90000",)) == [path]


def test_last_answer_of_a_poll_may_have_been_refused(public):
    """A poll that ends after a role may have refused it, but has accepted everything before it."""
    for last, refused in (
        *((path, {path}) for path in (SNAPSHOT, TARGETS, LATEST, TABLES)),
        *((LATEST_PROOF, {LATEST}), (TABLES_PROOF, {TABLES}), (NUMBERS, set())),
    ):
        with case(last, refused):
            ended = FIRST[: FIRST.index(last) + 1]
            held = {SNAPSHOT, TARGETS, LATEST, TABLES, NUMBERS} & {*ended}
            assert {*repeats(public, ended, FIRST)} == held - refused


def test_role_without_proof_is_not_held(public):
    """A role is held only if it and its proof arrived."""
    for role, proof in ((LATEST, LATEST_PROOF), (TABLES, TABLES_PROOF)):
        for missing in (role, proof):
            assert role not in repeats(public, FIRST, FIRST, changed={missing: None})


def test_skipped_tables_are_not_held(public):
    """A phone that skips tables requests content, but no part of tables."""
    skipping = (*QUIET, *ROLES, CONTENT, CONTENT_PROOF)
    assert TABLES not in repeats(public, skipping, FIRST)


def test_codename_role_is_held_after_a_package_request(public):
    """Without a package request the role may have contradicted the offer."""
    model = ("/metadata/6.armani.json", "/log/proof/armani.6")
    assert repeats(public, model, model) == []
    assert repeats(public, (*model, "/targets/armani/id/stable/full.zip 0"), model) == [model[0]]
    assert repeats(public, (*model, CONTENT), model) == []


def test_damaged_or_missing_part_is_not_held(public):
    """The phone then requests all parts of the role again."""
    for body in (b"other numbers", None):
        with case(body):
            parts = {TABLES: encode_tables(NUMBERS, KEYS)}
            two = (*FIRST, KEYS)
            assert {NUMBERS, KEYS} <= {*repeats(public, two, two, changed=parts)}
            assert not {NUMBERS, KEYS} & {*repeats(public, two, two, changed={**parts, KEYS: body})}


def test_slow_last_part_may_have_been_refused(public):
    """A slow part is held only if a request follows it."""
    ten = (*QUIET, *ROLES, CONTENT, NUMBERS)
    assert repeats(public, ten, (*QUIET, NUMBERS), seconds=3.0) == []
    assert repeats(public, ten, (*QUIET, NUMBERS), seconds=2.5) == [NUMBERS]
    assert repeats(public, (*FIRST, CONTENT), (*QUIET, NUMBERS), seconds=3.0) == [NUMBERS]


def poll_new_tables(*parts):
    """Return the paths of a poll that fetches a new version of tables."""
    roles = ("/metadata/4.snapshot.json", "/metadata/3.latest.json", "/log/proof/latest.3")
    return (*QUIET, *roles, NEW_TABLES, "/log/proof/tables.5", *parts)


def test_parts_after_a_new_version_are_not_judged(public):
    """A phone may request any parts of a new version of tables, but only once."""
    same = {NEW_TABLES: encode_tables(NUMBERS)}
    assert repeats(public, FIRST, poll_new_tables(NUMBERS), changed=same) == []
    assert repeats(public, FIRST, poll_new_tables(NUMBERS), (*QUIET, NUMBERS), changed=same) == [
        NUMBERS
    ]


def test_parts_of_the_previous_version_stay_held(public):
    """They are held together with the new parts if all parts of the new version are there."""
    both, again = {NEW_TABLES: encode_tables(NUMBERS, KEYS)}, (*QUIET, KEYS, NUMBERS)
    assert repeats(public, FIRST, poll_new_tables(KEYS), again, changed=both) == [KEYS, NUMBERS]
    assert repeats(public, FIRST, poll_new_tables(NUMBERS), again, changed=both) == []


def test_parts_of_a_pack_with_a_withdrawn_version(public):
    """After a withdrawal, parts that were held before are requested again."""
    both = {NEW_TABLES: encode_tables(NUMBERS, KEYS, withdrawn=[1])}
    again = (*QUIET, KEYS, NUMBERS)
    assert repeats(public, FIRST, poll_new_tables(KEYS), again, changed=both) == []
    assert repeats(public, FIRST, poll_new_tables(KEYS, NUMBERS), again, changed=both) == [
        KEYS,
        NUMBERS,
    ]


def test_new_keys_delete_roles(public):
    """A new root deletes all roles, and new targets delete the delegated ones."""
    found = {ROOT: b"{}"}
    after = (NEXT_ROOT, QUIET[1], *ROLES)
    assert repeats(public, FIRST, (ROOT, *after), after[:2], changed=found) == []
    # The poll ended after the root. A phone that requests the next root has accepted this one.
    assert repeats(public, FIRST, (ROOT,), after, changed=found) == []
    targets = (SNAPSHOT, "/metadata/2.targets.json", LATEST, LATEST_PROOF, TABLES, TABLES_PROOF)
    assert repeats(public, FIRST, (*QUIET, *targets)) == [SNAPSHOT]


def test_repeated_chain_of_roots_is_clean(public):
    """A phone may follow the roots from the ROM's root in each poll."""
    chain = (ROOT, NEXT_ROOT, QUIET[1])
    assert repeats(public, (*chain, *ROLES), chain, changed={ROOT: b"{}"}) == []
    assert repeats(public, (*chain, *ROLES), (*chain, SNAPSHOT), changed={ROOT: b"{}"}) == [
        SNAPSHOT
    ]


def test_blocks_before_the_last_are_held(public):
    """A download continues with its last block or restarts, but repeats no block in between."""

    def fetch(*starts, package="full"):
        return tuple(f"/targets/armani/id/stable/{package}.zip {start}" for start in starts)

    whole = fetch(0, BLOCK, 2 * BLOCK)
    assert judge(public, whole, fetch(2 * BLOCK, 3 * BLOCK)) == ()
    assert judge(public, whole, whole) == ()
    for held in (1, BLOCK):
        (found,) = judge(public, (*whole, *fetch(held)), fetch(2 * BLOCK))
        assert f"requests the block at byte {held} again" in found.explanation
    other = fetch(0, BLOCK, 2 * BLOCK, package="step")
    assert judge(public, whole, other, fetch(BLOCK, 2 * BLOCK)) == ()
