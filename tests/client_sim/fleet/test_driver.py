"""Phones that poll, download and install from a repository over real sockets."""

import hashlib
import socket
import time
from dataclasses import replace

import pytest

from client_sim.fleet.call import Call
from client_sim.fleet.loader import Dialler
from client_sim.fleet.population import Habits
from client_sim.fleet.tally import Failure
from client_sim.fleet.timer_wheel import TICKS
from tests.client_sim.device.repository_simulator import (
    DAY,
    START,
    make_pointer,
    make_step,
    response,
)
from tests.client_sim.fleet.conftest import LONGEST, PLAIN, live, settle

PACKAGE = b"package"  # the repository's default
DIGEST = hashlib.sha256(PACKAGE).hexdigest()
FIRST_POLL = [
    "/metadata/2.root.json",
    "/metadata/timestamp.json",
    "/metadata/2.snapshot.json",
    "/metadata/1.targets.json",
    "/metadata/2.latest.json",
    "/log/proof/latest.2",
    "/metadata/1.tables.json",
    "/log/proof/tables.1",
    "/metadata/1.content.json",
    "/log/proof/content.1",
]
POLL = FIRST_POLL[:2]
FETCH = [
    "/metadata/2.armani.json",
    "/log/proof/armani.2",
    f"/targets/armani/id/stable/{DIGEST}.armani-2-full.zip",
]


def test_phones_send_the_requests_of_a_real_phone(served):
    """Each poll, codename role, proof and package has the bytes of PRIVACY's table."""
    served.repository.offer()
    driver = served.make_driver(3)
    live(driver, 1)
    asked = served.paths()
    # The real code polls on its own connection, and once more before it fetches a role.
    assert sorted(asked).count(FIRST_POLL) == 3 + 1
    assert asked.count(FETCH) == 3
    assert asked.count(POLL) == 3 + 1
    assert driver.tally.switched == driver.tally.arrived == driver.tally.fetched == 3
    assert driver.tally.polls == 6
    assert not driver.tally.failures
    data = b"".join(served.server.received)
    heads = data.split(b"\r\n\r\n")[:-1]
    host = served.target.host_header.encode()
    for head in heads:
        _, second, third = head.split(b"\r\n")
        assert second == b"Host: " + host
        assert third in {b"Accept-Encoding: gzip", b"Range: bytes=0-6"}


def test_the_real_code_runs_once_for_a_trust_state(served):
    """Thirty phones need as many lessons as one."""
    served.repository.offer()
    lessons = []
    for count in (1, 30):
        driver = served.make_driver(count)
        live(driver, 1)
        lessons.append(driver.learner.lessons)
        assert driver.tally.switched == count
    assert lessons[0] == lessons[1] == 3  # first poll, installation, last poll


def test_a_phone_polls_again_after_four_to_eight_hours(served):
    """All phones poll again between the shortest and the longest interval.

    A phone whose poll ended after its next due time polls at the next tick.
    """
    driver = served.make_driver(10)
    live(driver, 14_400)
    assert driver.tally.polls == 10
    live(driver, LONGEST - 14_400, 14_400)
    assert driver.tally.polls == 20
    late = served.make_driver(1)
    late.advance(0)
    for polls, tick in ((1, LONGEST * TICKS), (2, LONGEST * TICKS + 1)):
        late.advance(tick)
        settle(late)
        assert late.tally.polls == polls


def test_phones_are_admitted_by_their_bucket(served):
    """0 permille admits no phone, 1000 all phones, and 500 about half of them."""
    link = served.repository.add_release()
    schedule = [[START - DAY, 0], [START + LONGEST, 500], [START + 2 * LONGEST, 1000]]
    served.repository.point(make_pointer([make_step(2, [link])], r=schedule))
    served.repository.publish("armani", "latest")
    driver = served.make_driver(40)
    live(driver, LONGEST)
    assert driver.tally.switched == 0
    live(driver, LONGEST, LONGEST)
    # Binomial(40, 1/2): outside of 5 to 35 once in a million.
    assert 5 <= driver.tally.switched <= 35
    live(driver, LONGEST, 2 * LONGEST)
    assert driver.tally.switched == driver.tally.arrived == 40


def test_a_halt_between_download_and_switch_stops_the_switch(served):
    """The last poll finds the new pointer, and the build is not started."""
    served.repository.offer()
    answer = served.repository.answer

    def halt_after_the_package(head):
        given = answer(head)
        if "/targets/" in head.decode() and not served.repository.halted:
            served.repository.halted = True
            step = make_step(2, [served.repository.add_release()])
            served.repository.point(make_pointer([step], h=True))
            served.repository.publish("latest")
        return given

    served.repository.halted = False
    served.repository.answer = halt_after_the_package
    driver = served.make_driver(1)
    live(driver, 1)
    assert driver.tally.fetched == 1
    assert driver.tally.switched == 0
    assert driver.tally.failures == {Failure.CHANGED: 1}


def test_refused_answer_ends_the_poll(served):
    """A timestamp that the real code refuses fails for every phone, without further requests."""
    for status, body, why in (
        (b"500 Internal Server Error", b"", Failure.HTTP),
        (b"302 Found", b"", Failure.HTTP),
        (b"200 OK", b"{}", Failure.TRUST),
    ):
        driver = served.make_driver(5)
        served.repository.overrides["/metadata/timestamp.json"] = response(status, body)
        live(driver, 1)
        assert driver.tally.polls == 0
        assert driver.tally.failures == {why: 5}
    assert {tuple(paths) for paths in served.paths()} <= {tuple(POLL), tuple(POLL[:1])}


def test_forged_answer_is_noticed_by_its_hash(served):
    """Phones that have polled before refuse other bytes, and recover with the server."""
    driver = served.make_driver(5)
    live(driver, 1)
    good = served.repository.files["/metadata/timestamp.json"]
    served.repository.files["/metadata/timestamp.json"] = good.replace(
        b'"version":1', b'"version":9'
    )
    live(driver, LONGEST, 1)
    assert driver.tally.failures == {Failure.TRUST: 5}
    served.repository.files["/metadata/timestamp.json"] = good
    live(driver, LONGEST, LONGEST + 1)
    assert driver.tally.polls >= 10
    assert driver.tally.failures[Failure.TRUST] < 10


def test_an_older_timestamp_is_a_rollback(served):
    """A phone refuses a timestamp older than its own, although its hash was verified before."""
    driver = served.make_driver(6)
    old = served.repository.files["/metadata/timestamp.json"]
    live(driver, LONGEST + 1)
    served.repository.refresh()
    live(driver, LONGEST, LONGEST + 1)
    polls, lessons = driver.tally.polls, driver.learner.lessons
    assert not driver.tally.failures
    served.repository.files["/metadata/timestamp.json"] = old
    live(driver, DAY - 2 * LONGEST - 10, 2 * LONGEST + 1)
    assert driver.tally.polls == polls
    assert driver.tally.failures.keys() == {Failure.OLDER}
    assert driver.tally.failures[Failure.OLDER] >= 5
    assert driver.learner.lessons == lessons


@pytest.mark.parametrize("role", ["timestamp", "armani"])
def test_versions_beyond_32_bits(served, role):
    """Phones accept such a version of the timestamp or of a codename role."""
    served.repository.signed[role].version = 2**32 + 1
    served.repository.offer()
    driver = served.make_driver(2)
    live(driver, 1)
    assert driver.tally.switched == 2
    assert not driver.tally.failures


def test_rate_limit_of_polls(served):
    """At 50 polls a second the sixth begins a tenth of a second after the first."""
    driver = served.make_driver(6, PLAIN, polls_per_second=50.0)
    begun = time.perf_counter()
    driver.advance(0)
    took = time.perf_counter() - begun
    settle(driver)
    assert took >= 5 / 50
    assert driver.tally.polls == 6


def _wrong_bytes(repository):
    repository.files[FETCH[-1]] = b"pAckage"


def _block(part, status=b"206 Partial Content"):
    """Serve the right bytes with this `Content-Range`, or without one."""
    fields = [b"Content-Range: " + part] if part else []
    answer = response(status, PACKAGE, *fields)
    return lambda repository: repository.overrides.update({FETCH[-1]: answer})


def _other_release(repository):
    """Publish a codename role that disagrees with the pointer."""
    link = repository.add_release(security_patch_level="2026-02-05")
    repository.point(make_pointer([make_step(2, [link])]))
    repository.publish("armani", "latest")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (_wrong_bytes, Failure.PACKAGE),
        (_block(b"bytes 1-7/7"), Failure.HTTP),
        (_block(b"bytes 0-6/8"), Failure.HTTP),
        (_block(b""), Failure.HTTP),
        (_block(b"", b"200 OK"), Failure.HTTP),
        (_other_release, Failure.TRUST),
    ],
)
def test_wrong_package_is_not_installed(served, change, why):
    """Wrong bytes and blocks are refused; a release that is not signed is not even fetched."""
    served.repository.offer()
    change(served.repository)
    driver = served.make_driver(2)
    live(driver, 1)
    assert driver.tally.failures == {why: 2}
    assert driver.tally.switched == driver.tally.fetched == 0
    asked = any("/targets/" in path for paths in served.paths() for path in paths)
    assert asked == (why is not Failure.TRUST)


def test_second_in_which_a_timestamp_expires(served):
    """TUF 5.4.4: it is expired from its expiry on, as the real code has it.

    A phone with a fast clock sends the first requests of a poll, and no more.
    """
    driver = served.make_driver(1)
    live(driver, 1)
    expires = served.repository.signed["timestamp"].expires.timestamp()
    for second, polls in ((expires - 1, 2), (expires, 2)):
        call = Call(driver)
        call.now = second
        driver.poll(call)
        settle(driver)
        assert driver.tally.polls == polls
    assert driver.tally.failures == {Failure.CLOCK: 1}
    skewed = served.make_driver(3)
    skewed.phones.skew[1] = 2 * DAY
    live(skewed, 1)
    assert skewed.tally.failures == {Failure.CLOCK: 1}
    assert skewed.tally.polls == 2


def test_flaky_phones(served):
    """A fifth of their polls finds no network, and a tenth of the others breaks."""
    habits = Habits(current=0.0, older=0.0, fresh=0.0, flaky=1.0, skewed=0.0)
    driver = served.make_driver(500, habits)
    live(driver, 1)
    # 5 standard deviations of Binomial(500, 0.2) and Binomial(500, 0.08).
    assert abs(driver.tally.failures[Failure.NO_NETWORK] - 100) < 45
    assert abs(driver.tally.failures[Failure.CUT] - 40) < 31
    assert driver.tally.polls + sum(driver.tally.failures.values()) == 500
    assert driver.tally.server_failures() == 0


def test_kept_connections_are_shared(served):
    """Each poll has its own connection, unless connections are kept."""
    for keep, most in ((False, 60), (True, 4)):
        before = len(served.server.received)
        driver = served.make_driver(60, PLAIN, keep=keep, connections=4)
        live(driver, 1)
        assert driver.tally.polls == 60
        assert driver.tally.connections <= most
        assert len(served.server.received) - before <= most + driver.learner.lessons
        driver.exchanges.close_idle()


def test_server_that_never_answers(served):
    """A connection closed without an answer is a failure even before any phone got one."""
    driver = served.make_driver(5)
    learn = driver.learner.learn_poll

    def learn_then_fall_silent(*given):
        why = learn(*given)
        served.repository.answer = lambda _: b""
        return why

    driver.learner.learn_poll = learn_then_fall_silent
    live(driver, 1)
    assert driver.tally.failures == {Failure.BROKEN: 5}
    assert sum(driver.snapshot().latencies.counts) == 0


def test_unsent_requests_are_not_counted(served):
    """If the server is gone, no request, byte or sender is counted."""
    driver = served.make_driver(5)
    live(driver, 1)
    before = replace(driver.snapshot())
    lines = list(driver.lines.counts())
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        target = replace(served.target, port=silent.getsockname()[1])
        driver.exchanges._dialler = Dialler(target)
        live(driver, LONGEST, 1)
    after = driver.snapshot()
    assert after.failures == {Failure.UNREACHABLE: 5}
    assert (after.requests, after.sent) == (before.requests, before.sent)
    assert list(driver.lines.counts()) == lines


def test_counts_of_requests_and_phones(served):
    """Sums, curve and anonymity sets are those of the bytes that arrived."""
    driver = served.make_driver(6)
    live(driver, 1)
    settle(driver)
    tally = driver.snapshot()
    received = b"".join(served.server.received)
    alone = driver.learner.lessons * len(FIRST_POLL)
    assert tally.requests == received.count(b"GET ") - alone
    assert sum(tally.requested_in) == tally.requests
    assert sum(tally.polled_in) == tally.polls == 6
    assert {line.phones for line in driver.lines.counts()} == {6}
    assert sum(tally.latencies.counts) == tally.requests


def test_halt_and_later_release(served):
    """A halted rollout admits no more phones; then all phones install build 3.

    At first half of the phones install build 2.
    """
    repository = served.repository
    step = make_step(2, [repository.add_release()])
    schedule = [[START - DAY, 500], [START + LONGEST, 1000]]
    repository.point(make_pointer([step], r=schedule))
    repository.publish("armani", "latest")
    driver = served.make_driver(40)
    live(driver, LONGEST - 1)
    halfway = driver.tally.switched
    # Binomial(40, 1/2): outside of 5 to 35 once in a million.
    assert 5 <= halfway <= 35
    repository.point(make_pointer([step], r=schedule, h=True))
    repository.publish("latest")
    live(driver, LONGEST, LONGEST - 1)
    assert driver.tally.switched == driver.tally.arrived == halfway
    build = {"counter": 3, "incremental": "3", "post_timestamp": START + 1}
    build["fingerprint"] = "Hening/armani/armani:14/T/3:user/release-keys"
    link = repository.add_release(b"later", "armani-3-full.zip", **build)
    repository.point(make_pointer([make_step(3, [link], t=START + 1)]))
    repository.publish("armani", "latest")
    live(driver, LONGEST, 2 * LONGEST - 1)
    assert driver.tally.switched == driver.tally.arrived == halfway + 40
    assert not driver.tally.failures
