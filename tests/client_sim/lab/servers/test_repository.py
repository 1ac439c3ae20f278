"""The simulated repository: a phone that verifies everything follows all of its changes."""

import dataclasses
import gzip
import json

import pytest
from tuf.api.metadata import Metadata, Root, Targets

from client_sim.lab.servers.contents import (
    CHANGES,
    Publication,
    one_by_one,
    release,
    renew_root,
    split,
)
from client_sim.lab.servers.repository import Repository
from client_sim.lab.trace.memory import Request
from server.core.names import decode_pointer_path
from server.core.pointer import check_agreement, decode_pointer
from server.core.profile import check_delegated, check_root, check_targets
from server.core.release import check_counters, decode_releases

START = 1_767_225_600.0
DAY = 86_400
NOTHING_NEW = ("/metadata/2.root.json", "/metadata/timestamp.json")
FIRST = (
    *NOTHING_NEW,
    "/metadata/1.snapshot.json",
    "/metadata/1.targets.json",
    "/metadata/1.latest.json",
    "/log/proof/latest.1",
    "/metadata/1.tables.json",
    "/log/proof/tables.1",
    "/metadata/1.content.json",
    "/log/proof/content.1",
)


def fetch(respond, path, fields=""):
    """Request a path and return the head and the body of the answer."""
    data = f"GET {path} HTTP/1.1\r\nHost: h\r\n{fields}\r\n".encode()
    answer = respond(Request(data, START, 0, "198.51.100.1", 80, None))
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.decode(), body


def fetch_role(respond, path):
    """Fetch and decode a role."""
    return Metadata.from_bytes(fetch(respond, path)[1]).signed


def test_phone_fetches_everything_in_its_first_poll(make_phone):
    """The second poll has only the two requests that find nothing new."""
    phone = make_phone()
    phone.poll(2)
    assert (phone.asked[0][: len(FIRST)], phone.asked[1]) == (FIRST, NOTHING_NEW)
    packs = [path.split("/")[2:4] for path in phone.asked[0][len(FIRST) :]]
    assert packs == [["tables", "emergency"]] * 4 + [["content", "notices"]]
    assert phone.outcomes[0].warnings == ()
    assert [outcome.failure for outcome in phone.outcomes] == [None, None]


def test_phone_follows_all_changes(make_phone, repository):
    """A phone that polls after each change sees each halt, and is offered the last build."""
    phone = make_phone(repository.serve(one_by_one()))
    phone.poll(len(CHANGES) + 1)
    assert all(outcome.failure is None and not outcome.warnings for outcome in phone.outcomes)
    halted = [place for place, (name, _) in enumerate(CHANGES, 1) if "halted" in name]
    assert [place for place, each in enumerate(phone.outcomes) if each.halted] == halted
    assert phone.outcomes[-1].offer.counter == 4
    assert phone.violations() == ()


def test_phone_that_missed_all_changes(make_phone, repository):
    """It fetches all roots."""
    late = [dataclasses.replace(each, connection=1) for each in one_by_one()]
    phone = make_phone(repository.serve(late))
    assert phone.poll(2).failure is None
    roots = [path for path in phone.asked[1] if path.endswith(".root.json")]
    assert roots == [f"/metadata/{version}.root.json" for version in range(2, 7)]


def test_roles_are_signed_again_before_they_expire(make_phone):
    """Over 400 polls, and for a phone that is off for two years."""
    phone = make_phone()
    phone.poll(400)
    held = dict(phone.outcomes[-1].versions)
    phone.inner.advance_to(phone.inner.now() + 2 * 365 * DAY)
    phone.poll(2)
    assert [str(each.failure) for each in phone.outcomes if each.failure] == []
    # One more for each 12 of 400 connections, and 104 for the two years.
    assert held["latest"] == 1 + 399 // 12
    assert dict(phone.outcomes[-1].versions)["latest"] == held["latest"] + 1 + 104
    assert phone.violations() == ()


def test_versions_do_not_depend_on_clocks(make_phone, repository):
    """Phones with different clocks and randomness send the same requests in each of 30 polls."""
    one = make_phone(repository.serve(one_by_one()), start=START, entropy=b"one")
    other = make_phone(repository.serve(one_by_one()), start=1_790_012_345.0, entropy=b"other")
    one.poll(30)
    other.poll(30)
    assert one.asked == other.asked


def test_publication_at_a_time(make_phone, repository):
    """The release is public from the first poll after its time."""
    at = START + 2 * DAY
    phone = make_phone(repository.serve([Publication("release", release(1000), at=at)]))
    times = []
    for _ in range(15):
        times.append(phone.inner.now())
        phone.poll()
    offered = [each.offer is not None for each in phone.outcomes]
    assert offered == [time >= at for time in times]


@pytest.mark.parametrize("parts", [0, 4, 16])
def test_metadata_passes_the_rules_of_the_server(repository, parts):
    """Profile, releases and pointers are those that signer and server accept."""
    changes = (*CHANGES, (f"{parts} parts", split(parts)))
    respond = repository.serve([Publication(name, change) for name, change in changes])
    fetch(respond, "/log/checkpoint")
    root = fetch_role(respond, "/metadata/5.root.json")
    targets = fetch_role(respond, f"/metadata/{3 if parts else 2}.targets.json")
    assert isinstance(root, Root)
    assert isinstance(targets, Targets)
    check_root(root)
    check_targets(root, targets)
    _, snapshot = fetch(respond, f"/metadata/{12 if parts else 11}.snapshot.json")
    published = json.loads(snapshot)["signed"]["meta"]
    roles = {
        name: fetch_role(respond, f"/metadata/{published[f'{name}.json']['version']}.{name}.json")
        for name in targets.delegations.roles
    }
    for name, role in roles.items():
        check_delegated(name, role)
    assert sum(name.startswith("latest-") for name in roles) == parts
    assert (roles["latest"].targets == {}) == bool(parts)
    pointers = [pair for name in roles for pair in _pointers(name, roles[name])]
    assert len(pointers) == 8
    for path, target in pointers:
        role = roles[path.split("/")[1]]
        releases = decode_releases(role)
        check_counters(releases)
        files = {name: (each.length, each.hashes["sha256"]) for name, each in role.targets.items()}
        pointer = decode_pointer(path, target.custom)
        check_agreement(decode_pointer_path(path), pointer, releases, files)


def _pointers(name, role):
    """Return the pointers in `latest` or a part of it."""
    return role.targets.items() if name.startswith("latest") else ()


def test_answers_are_determined_by_the_seed():
    """Repositories with the same seed have the same bytes, with another seed other bytes."""
    one, same, other = (Repository(seed) for seed in (b"1", b"1", b"2"))
    path = "/metadata/1.latest.json"
    assert fetch(one.serve(), path) == fetch(same.serve(), path)
    assert fetch(one.serve(), path) != fetch(other.serve(), path)
    assert one.public("armani", "id", "stable") == same.public("armani", "id", "stable")


def test_answers_are_like_those_of_the_server(repository):
    """In their headers, content codings, conditional requests and statuses."""
    respond = repository.serve()
    path = "/metadata/1.latest.json"
    head, plain = fetch(respond, path)
    packed_head, packed = fetch(respond, path, fields="Accept-Encoding: gzip\r\n")
    assert gzip.decompress(packed) == plain
    names = [line.split(":")[0] for line in packed_head.split("\r\n")[1:]]
    assert names == [
        "Date",
        "Content-Type",
        "Cache-Control",
        "ETag",
        "Repr-Digest",
        "Vary",
        "Content-Encoding",
        "Content-Length",
    ]
    tag = next(line for line in head.split("\r\n") if line.startswith("ETag: "))[6:]
    unmodified, nothing = fetch(respond, path, fields=f"If-None-Match: {tag}\r\n")
    assert unmodified.startswith("HTTP/1.1 304 Not Modified\r\n")
    assert nothing == b""
    assert fetch(respond, "/metadata/2.root.json")[0].startswith("HTTP/1.1 404 Not Found\r\n")
    answer = respond(Request(b"POST / HTTP/1.1\r\n\r\n", 0.0, 0, "", 80, None))
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")


def test_old_versions_of_roles_are_gone(repository):
    """The current version of a role and the 8 before it can be fetched, and every root."""
    history = [Publication("root", renew_root), *(Publication("r", release(1)) for _ in range(9))]
    respond = repository.serve(history)
    statuses = {
        path: fetch(respond, path)[0].split(" ")[1]
        for path in (
            "/metadata/1.latest.json",
            "/log/proof/latest.1",
            "/metadata/2.latest.json",
            "/metadata/10.latest.json",
            "/metadata/11.latest.json",
            "/metadata/1.root.json",
        )
    }
    assert list(statuses.values()) == ["410", "410", "200", "200", "404", "200"]


def test_phones_of_a_repository_differ_in_their_builds(repository):
    """A leak of the build can only be found if there are several builds."""
    publics = repository.publics()
    names = {(each.codename, each.region, each.channel) for each in publics}
    assert len(names) == 8
    for read in (
        lambda each: each.built_at,
        lambda each: each.build.counter,
        lambda each: each.build.incremental,
        lambda each: each.build.post_timestamp,
        lambda each: each.build.security_patch_level,
    ):
        assert len({read(each) for each in publics}) == 2
    assert len({each.build.fingerprint for each in publics}) == 4
    assert len(publics) == 16


def test_phones_of_unknown_channels_are_refused(repository):
    """The message names the channel."""
    with pytest.raises(ValueError, match="armani/id/weekly"):
        repository.public("armani", "id", "weekly")
