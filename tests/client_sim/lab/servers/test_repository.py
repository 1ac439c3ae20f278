"""A repository inside a run: whoever verifies everything follows it through all that happens."""

import dataclasses
import gzip
import json

import pytest
from tuf.api.metadata import Metadata, Root, Targets

from client_sim.device.choose import Offer
from client_sim.device.errors import GoneError
from client_sim.lab.servers.contents import (
    CHANGES,
    Publication,
    one_by_one,
    release,
    renew_root,
    split,
)
from client_sim.lab.servers.repository import Repository
from client_sim.lab.trace.memory import Asked
from client_sim.transport import Connection
from server.core.names import decode_pointer_path
from server.core.pointer import check_agreement, decode_pointer
from server.core.profile import check_delegated, check_root, check_targets
from server.core.release import check_counters, decode_releases

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


def fetch(respond, path, connection=0, now=1_767_225_600.0, fields=""):
    """Ask a server for a path and give its head and body."""
    data = f"GET {path} HTTP/1.1\r\nHost: h\r\n{fields}\r\n".encode()
    answer = respond(Asked(data, now, connection, "198.51.100.1", 80, None))
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.decode(), body


def metadata(respond, path, **options):
    """Fetch and decode a role."""
    return Metadata.from_bytes(fetch(respond, path, **options)[1]).signed


def test_a_phone_fetches_everything_once_and_then_nothing_new(make_phone):
    """The first poll asks for all public roles, the second for what tells that nothing is new."""
    phone = make_phone()
    phone.poll(2)
    assert (phone.asked[0][: len(FIRST)], phone.asked[1]) == (FIRST, NOTHING_NEW)
    packs = [path.split("/")[2:4] for path in phone.asked[0][len(FIRST) :]]
    assert packs == [["tables", "emergency"]] * 4 + [["content", "notices"]]
    assert phone.outcomes[0].warnings == ()
    assert [outcome.failure for outcome in phone.outcomes] == [None, None]


def test_all_changes_lead_to_an_offer_in_a_row_or_at_once(make_phone, repository):
    """A phone that polls through the whole history is offered the last build and sees each halt.

    Whoever comes late walks all roots and fetches the last version of each role.
    """
    phone = make_phone(repository.serve(one_by_one()))
    phone.poll(len(CHANGES) + 1)
    assert all(outcome.failure is None and not outcome.warnings for outcome in phone.outcomes)
    halted = [place for place, (name, _) in enumerate(CHANGES, 1) if "halted" in name]
    assert [place for place, each in enumerate(phone.outcomes) if each.halted] == halted
    assert phone.outcomes[-1].offer.counter == 4
    assert phone.violations() == ()
    late = [dataclasses.replace(each, connection=1) for each in one_by_one()]
    phone = make_phone(repository.serve(late))
    assert phone.poll(2).failure is None
    roots = [path for path in phone.asked[1] if path.endswith(".root.json")]
    assert roots == [f"/metadata/{version}.root.json" for version in range(2, 7)]


def test_a_hundred_days_and_two_years_of_sleep(make_phone):
    """Over 400 polls and a jump of two years every role is signed again before it expires."""
    phone = make_phone()
    phone.poll(400)
    held = dict(phone.outcomes[-1].versions)
    phone.inner.advance_to(phone.inner.now() + 2 * 365 * DAY)
    phone.poll(2)
    assert [str(each.failure) for each in phone.outcomes if each.failure] == []
    # 400 connections in dozens, and for two years away twice 52 more.
    assert held["latest"] == 1 + 399 // 12
    assert dict(phone.outcomes[-1].versions)["latest"] == held["latest"] + 1 + 104
    assert phone.violations() == ()


def test_versions_follow_from_connections_and_not_from_clocks(make_phone, repository):
    """Phones with other clocks and other randomness ask for the same at each of 30 polls."""
    one = make_phone(repository.serve(one_by_one()), start=1_767_225_600.0, entropy=b"one")
    other = make_phone(repository.serve(one_by_one()), start=1_790_012_345.0, entropy=b"other")
    one.poll(30)
    other.poll(30)
    assert one.asked == other.asked


def test_a_publication_may_wait_for_a_time(make_phone, repository):
    """A release with a time is public from the first poll after it on."""
    at = 1_767_225_600.0 + 2 * DAY
    phone = make_phone(repository.serve([Publication("release", release(1000), at=at)]))
    times = []
    for _ in range(15):
        times.append(phone.inner.now())
        phone.poll()
    offered = [each.offer is not None for each in phone.outcomes]
    assert offered == [time >= at for time in times]


def test_an_offer_leads_to_role_proof_and_package(make_phone, repository):
    """Whoever decides to install finds the codename role, its proof, and the package in a block."""
    phone = make_phone(repository.serve([Publication("release", release(1000))]))
    offer = phone.poll().offer
    assert isinstance(offer, Offer)
    assert offer.type == "incremental"
    with Connection(phone.world) as connection:
        target = phone.client.fetch_release(offer, connection)
        folder, _, name = offer.path.rpartition("/")
        url = f"/targets/{folder}/{offer.sha256}.{name}"
        block = connection.get_block(url, 0, offer.length)
    assert phone.violations() == ()
    with Connection(phone.world) as connection, pytest.raises(GoneError):
        connection.get_block(url.replace(offer.sha256, "0" * 64), 0, offer.length)
    assert target.release.counter == 2
    assert len(block) == offer.length


@pytest.mark.parametrize("parts", [0, 4, 16])
def test_the_rules_of_the_server_hold(repository, parts):
    """What the lab signs is what signer and server would let pass: profile, releases, pointers."""
    changes = (*CHANGES, (f"{parts} parts", split(parts)))
    respond = repository.serve([Publication(name, change) for name, change in changes])
    fetch(respond, "/log/checkpoint")
    root = metadata(respond, "/metadata/5.root.json")
    targets = metadata(respond, f"/metadata/{3 if parts else 2}.targets.json")
    assert isinstance(root, Root)
    assert isinstance(targets, Targets)
    check_root(root)
    check_targets(root, targets)
    _, snapshot = fetch(respond, f"/metadata/{12 if parts else 11}.snapshot.json")
    published = json.loads(snapshot)["signed"]["meta"]
    roles = {
        name: metadata(respond, f"/metadata/{published[f'{name}.json']['version']}.{name}.json")
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
    """List the pointers of a role that is `latest` or a part of it."""
    return role.targets.items() if name.startswith("latest") else ()


def test_the_same_seed_signs_the_same_bytes():
    """Two repositories of one seed answer alike, byte by byte; of another seed they do not."""
    one, same, other = (Repository(seed) for seed in (b"1", b"1", b"2"))
    path = "/metadata/1.latest.json"
    assert fetch(one.serve(), path) == fetch(same.serve(), path)
    assert fetch(one.serve(), path) != fetch(other.serve(), path)
    assert one.public("armani", "id", "stable") == same.public("armani", "id", "stable")


def test_answers_are_those_of_the_server(repository):
    """Fields, codings, conditions and parts are as the device plane has them.

    Of a role the current version and the 8 before it are there; roots stay.
    """
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
    answer = respond(Asked(b"POST / HTTP/1.1\r\n\r\n", 0.0, 0, "", 80, None))
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
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
    """A phone must not show which build it runs: there is nothing to see where all run one.

    There is no phone of a channel that the repository does not have.
    """
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
    with pytest.raises(ValueError, match="armani/id/weekly"):
        repository.public("armani", "id", "weekly")
    assert len(repository.publics()) == 16
