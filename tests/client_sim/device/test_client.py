from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client_sim.device.client import SHORTEST, PollingClient
from client_sim.device.errors import ExpiredError, LimitError, TrustError
from client_sim.device.signed_time import load_clock
from client_sim.transport import Connection
from client_sim.world import BuildFacts
from tests.cases import case
from tests.client_sim.device.fake_world import FakeWorld
from tests.client_sim.device.repository_simulator import DAY, SOURCE, START, make_pointer, make_step

LINES = "GET {} HTTP/1.1\r\nHost: updates.hening.example:8080\r\nAccept-Encoding: gzip\r\n\r\n"
FIRST = [
    "/metadata/2.root.json",
    "/metadata/timestamp.json",
    "/metadata/1.snapshot.json",
    "/metadata/1.targets.json",
    "/metadata/1.latest.json",
    "/log/proof/latest.1",
    "/metadata/1.tables.json",
    "/log/proof/tables.1",
    "/metadata/1.content.json",
    "/log/proof/content.1",
]


def _poll(world):
    world.sent.clear()
    return PollingClient(world).poll()


def test_a_first_poll_sends_exactly_these_bytes(world):
    """A new phone requests root, timestamp, snapshot, four roles and three proofs.

    It uses one connection to the first address of one name, and closes it.
    """
    outcome = _poll(world)
    assert world.sent == [LINES.format(path).encode() for path in FIRST]
    assert outcome.requests == tuple(FIRST)
    assert outcome.changed
    assert outcome.failure is None
    assert dict(outcome.versions)["latest"] == 1
    assert world.resolved == ["updates.hening.example"]
    assert world.connected == [("198.51.100.7", 8080, None)]
    assert world.streams[0].closed


def test_a_poll_without_news_is_two_requests(repository, world):
    """Only the next root and the timestamp are requested, also after a new timestamp."""
    _poll(world)
    outcome = _poll(world)
    assert world.sent == [LINES.format(path).encode() for path in FIRST[:2]]
    assert not outcome.changed
    repository.refresh()
    assert not _poll(world).changed
    assert world.paths == FIRST[:2]
    assert dict(_poll(world).versions)["timestamp"] == 2


def test_poll_requests_only_changed_roles(repository, world):
    """A new pointer costs snapshot, `latest` and its proof, but not the model's role."""
    _poll(world)
    repository.offer()
    outcome = _poll(world)
    assert world.paths == [
        *FIRST[:2],
        "/metadata/2.snapshot.json",
        "/metadata/2.latest.json",
        "/log/proof/latest.2",
    ]
    assert outcome.offer.counter == 2
    assert outcome.changed


def test_phones_with_different_secrets_send_the_same(repository):
    """Phones inside and outside of a rollout send the same bytes."""
    repository.offer(r=[[START, 500]])
    seen = set()
    offers = set()
    for number in range(12):
        world = FakeWorld(repository)
        world.state["secret"] = bytes([number]) * 32
        offers.add(_poll(world).offer is not None)
        seen.add(b"".join(world.sent))
    assert offers == {True, False}
    assert len(seen) == 1


def test_server_headers_are_not_sent_back(repository, world):
    """Cookies, validators and Retry-After appear in no request and in no stored state.

    The phone's secret is made once and appears in no request.
    """
    repository.offer()
    PollingClient(world).poll()
    secret = world.state["secret"]
    PollingClient(world).poll()
    kept = b"".join(world.sent) + b"".join(world.state.values())
    for trap in (b"sid=", b"0123456789abcdef", b"Retry", b"Cookie", b"If-None-Match"):
        assert trap not in kept
    assert world.state["secret"] == secret
    assert len(secret) == 32
    assert all(secret not in data and secret.hex().encode() not in data for data in world.sent)


def test_host_omits_the_default_port(repository):
    """`Host` has the port only if it is not the scheme's default."""
    for public, host in (
        ({"port": 80}, "updates.hening.example"),
        ({"port": 443, "tls": True}, "updates.hening.example"),
        ({"port": 80, "tls": True}, "updates.hening.example:80"),
    ):
        world = FakeWorld(repository, **public)
        _poll(world)
        assert f"\r\nHost: {host}\r\n".encode() in world.sent[0]
        assert world.connected[0][2] == ("updates.hening.example" if public.get("tls") else None)


def test_codename_role_is_fetched_after_the_decision(repository, world):
    """`fetch_release` requests the codename role and its proof once, and only after a poll."""
    repository.offer()
    client = PollingClient(world)
    offer = client.poll().offer
    for paths in (["/metadata/2.armani.json", "/log/proof/armani.2"], []):
        world.sent.clear()
        with Connection(world) as connection:
            assert client.fetch_release(offer, connection).release.counter == 2
        assert world.paths == paths
    world.sent.clear()
    with Connection(world) as connection, pytest.raises(TrustError, match="did not succeed"):
        PollingClient(world).fetch_release(offer, connection)
    assert not world.sent


def test_expired_metadata(repository, world):
    """A frozen repository gives no offer but a warning, until a later timestamp arrives."""
    repository.offer()
    world.clock += 2 * DAY
    outcome = _poll(world)
    assert isinstance(outcome.failure, ExpiredError)
    assert outcome.warnings
    assert outcome.offer is None
    assert world.paths == FIRST[:2]
    repository.now = START + 2 * DAY
    repository.refresh()
    assert _poll(world).offer.counter == 2


@pytest.mark.parametrize(("role", "days"), [("snapshot", 8), ("latest", 8), ("targets", 91)])
def test_expired_role_is_not_requested_again(repository, world, role, days):
    """A stored role that has expired is not requested again in the same version."""
    repository.offer()
    assert _poll(world).offer
    world.clock += days * DAY
    repository.now = int(world.clock)
    if role == "targets":
        repository.publish("latest")
    elif role == "latest":
        repository.signed["snapshot"].version += 1
        repository.publish_snapshot()
    repository.refresh()
    outcome = _poll(world)
    assert isinstance(outcome.failure, ExpiredError)
    assert not [path for path in world.paths if f".{role}." in path]


@pytest.mark.parametrize("role", ["tables", "content"])
def test_an_expired_public_role_is_a_warning(repository, world, role):
    """Expired tables or content do not block an update."""
    repository.offer()
    _poll(world)
    world.clock += 91 * DAY
    repository.now = int(world.clock)
    other = "content" if role == "tables" else "tables"
    repository.publish("targets", "latest", other)
    outcome = _poll(world)
    assert len(outcome.warnings) == 1
    assert outcome.offer.counter == 2


def test_build_date_is_a_floor_of_the_clock(repository):
    """The floor is the build date of the factory image or of the running build."""
    build = BuildFacts(SOURCE, "1", 1, START + 2 * DAY, "2025-12-05")
    for public in ({"built_at": START + 2 * DAY}, {"build": build}):
        world = FakeWorld(repository, **public)
        world.clock = 0.0
        assert isinstance(_poll(world).failure, ExpiredError)


def test_a_damaged_floor_stops_updates_and_not_polling(repository, world):
    """A phone with an unreadable floor polls, but gets no offer."""
    repository.offer()
    world.state["floor"] = b"-1"
    assert _poll(world).offer is None


PLACES = ["a release", "another release", "the role's floor"]


def offer_with_time(repository, place, time):
    """Offer build 2 with a time in one place of the codename role."""
    link = repository.add_release(post_timestamp=time if place == "a release" else START)
    if place == "another release":
        repository.add_release(b"other", "armani-3-full.zip", counter=3, post_timestamp=time)
    elif place == "the role's floor":
        custom = {"floor": 0, "floor_time": time, "schema": 1}
        repository.signed["armani"].unrecognized_fields["custom"] = custom
    stated = time if place == "a release" else START
    repository.point(make_pointer([make_step(2, [link], t=stated)]))
    repository.publish("armani", "latest")


def fetch_codename_role(world):
    """Poll, and fetch the codename role as an installation does first."""
    client = PollingClient(world)
    outcome = client.poll()
    with Connection(world) as connection:
        client.fetch_release(outcome.offer, connection)


@pytest.mark.parametrize("place", PLACES)
def test_times_in_the_codename_role_move_the_clock(repository, world, place):
    """A phone that has verified a later build date refuses metadata that expired before it."""
    later = START + 5 * DAY
    repository.now = later
    offer_with_time(repository, place, later)
    assert load_clock(world.state) == 0
    fetch_codename_role(world)
    assert load_clock(world.state) == later
    # This timestamp expires at START + 1 day, and the phone's own clock says START.
    repository.now = START
    repository.publish("latest")
    assert isinstance(_poll(world).failure, ExpiredError)
    repository.now = later
    repository.publish("targets", "tables", "content", "latest")
    assert _poll(world).failure is None


@pytest.mark.parametrize("place", PLACES)
def test_clock_is_bounded_by_the_signing_time(repository, world, place):
    """The timestamp's signing time bounds what a codename key can do to the clock."""
    offer_with_time(repository, place, START + DAY)
    fetch_codename_role(world)
    assert load_clock(world.state) == START


@pytest.mark.parametrize("place", PLACES)
def test_refused_role_is_not_stored(repository, world, place):
    """A time beyond the allowed skew: neither the role nor its time is stored."""
    offer_with_time(repository, place, START + DAY + 1)
    with pytest.raises(LimitError, match="later than when it was signed"):
        fetch_codename_role(world)
    assert not {"role.armani", "clock"} & world.state.keys()
    assert _poll(world).failure is None


def test_malformed_times_do_not_move_the_clock(repository, world):
    """A malformed release beside the offered one does not move the clock."""
    for time in (-1, 2**53, "9", True, None, [9]):
        link = repository.add_release()
        repository.add_release(b"other", "armani-3-full.zip", counter=3, post_timestamp=time)
        repository.point(make_pointer([make_step(2, [link])]))
        repository.publish("armani", "latest")
        fetch_codename_role(world)
        with case(time):
            assert load_clock(world.state) == START


def test_a_pointers_time_does_not_move_the_clock(repository, world):
    """The build date in `latest` does not move the clock, as an online key signs it."""
    link = repository.add_release()
    later = START + 5 * DAY
    repository.point(make_pointer([make_step(2, [link], t=later)]))
    repository.publish("armani", "latest")
    assert _poll(world).failure is None
    assert load_clock(world.state) == 0
    assert _poll(world).failure is None


def test_older_timestamp_is_a_warning(repository, world):
    """A server may lag behind another: no failure, and the stored state does not change.

    Expiry is still detected.
    """
    repository.offer()
    old = repository.files["/metadata/timestamp.json"]
    repository.publish()
    assert _poll(world).offer is not None
    kept = dict(world.state)
    repository.files["/metadata/timestamp.json"] = old
    outcome = _poll(world)
    assert (outcome.failure, outcome.offer, outcome.changed) == (None, None, False)
    (warning,) = outcome.warnings
    assert "which is older than" in warning
    assert list(outcome.requests) == FIRST[:2]
    assert dict(world.state) == kept
    # A server that always sends old timestamps is noticed by their expiry.
    world.clock += 2 * DAY
    outcome = _poll(world)
    assert isinstance(outcome.failure, ExpiredError)
    assert outcome.warnings == (str(outcome.failure),)
    world.clock = START
    repository.publish()
    assert _poll(world).offer is not None


def test_an_online_role_does_not_move_the_clock(repository, world):
    """A timestamp that expires in ten years does not move the phone's clock."""
    repository.signed["timestamp"].version += 1
    signed = repository.signed["timestamp"]
    repository.publish_timestamp()
    signed.expires = signed.expires.replace(year=2036)
    repository.files["/metadata/timestamp.json"] = repository.sign("timestamp")
    assert _poll(world).failure is None
    repository.now = START - 1
    repository.offer()
    assert _poll(world).offer.counter == 2


@settings(deadline=None)
@given(st.binary(min_size=8, max_size=8), st.floats(0, 10**9))
def test_due_time_is_drawn_once(data, elapsed):
    """The due time of FORMATS section 9 is drawn once, and survives restarts and long pauses."""
    world, draws = SimpleNamespace(state={}), []

    def draw(n):
        draws.append(n)
        return data

    world.entropy = draw
    due = PollingClient(world).next_poll(START)
    assert due == START + 14_400 + int.from_bytes(data, "big") % 14_401
    assert PollingClient(world).next_poll(START + elapsed) == due
    assert PollingClient(world).next_poll(due) == due
    assert draws == [8]


def test_due_time_is_drawn_again(world):
    """A poll, a damaged due time and one too far ahead each lead to a new draw."""
    world.state["due"] = b"%d" % (START + SHORTEST + 14_400)
    assert PollingClient(world).next_poll(START) == START + SHORTEST + 14_400
    PollingClient(world).poll()
    assert "due" not in world.state
    world.entropy = bytes
    for stored in (b"", b"%d" % (START * 2), b"nonsense"):
        world.state["due"] = stored
        assert PollingClient(world).next_poll(START + 5) == START + 5 + SHORTEST


def test_time_that_a_schedule_is_compared_with(repository, world):
    """The signing time of `latest` counts if the phone's clock is behind it.

    A timestamp alone admits no phone: its key can sign a year ahead.
    """
    world.clock = START - 90 * DAY
    for begin, is_in in ((START, True), (START + 1, False)):
        repository.offer(r=[[begin, 1000]])
        assert (_poll(world).offer is not None) == is_in
    world.clock = START
    repository.offer(r=[[START + 7 * DAY, 1000]])
    repository.now = START + 365 * DAY
    repository.refresh()
    outcome = _poll(world)
    assert (outcome.failure, outcome.offer) == (None, None)


FLOORS = [
    *({"floor": 0, "schema": 2}, {"floor": 0}, {"schema": 1}, [], None, "x"),
    *({"floor": value, "schema": 1} for value in (True, -1, "0", 2**53)),
    *({"floor": 0, "floor_time": value, "schema": 1} for value in (True, -1, "0", 2**53)),
]


def test_malformed_role_floor_is_refused(repository, world):
    """Malformed floors and unknown schemas of the codename role are refused."""
    link = repository.add_release()
    repository.point(make_pointer([make_step(2, [link])]))
    for custom in FLOORS:
        repository.signed["armani"].unrecognized_fields["custom"] = custom
        repository.publish("armani", "latest")
        with case(custom), pytest.raises(TrustError):
            fetch_codename_role(world)
