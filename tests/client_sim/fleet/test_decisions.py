"""Each phone decides as the real code does, by its own secret, build and clock."""

from client_sim.device.choose import decide_update
from client_sim.fleet.decisions import Decider
from client_sim.fleet.population import Draws, draw_phones
from tests.client_sim.device.repository_simulator import DAY, START, make_pointer, make_step
from tests.client_sim.fleet.conftest import BUILDS, GROUP, PLAIN, live


def make_state(served, schedule):
    """Return the trust state of phones that have polled."""
    link = served.repository.add_release()
    served.repository.point(make_pointer([make_step(2, [link])], r=schedule))
    served.repository.publish("armani", "latest")
    driver = served.make_driver(1)
    live(driver, 1)
    return driver.learner.states[driver.phones.state[0]]


def test_every_phone_decides_as_the_real_code_does(served):
    """300 phones of two builds at three times, and once more from memory."""
    state = make_state(served, [[START - DAY, 0], [START + 10, 300], [START + 20, 1000]])
    phones = draw_phones(300, (GROUP,), PLAIN, Draws(5, "x"))
    for phone in range(0, 300, 3):
        phones.build[phone] = 1
    decider = Decider((GROUP,), phones, 5, 1000)
    pointer = state.find_pointer(GROUP)
    offers = {}
    for now in (START, START + 15, START + 30, START + 15):
        found = [decider.decide(phone, state, now) for phone in range(300)]
        for phone, offer in enumerate(found):
            running = BUILDS[phones.build[phone]]
            secret = decider.secret(phone)
            expected = decide_update(pointer, running, running.counter, secret, now, ())
            assert offer == expected.offer
        offers[now] = sum(offer is not None for offer in found)
    assert offers[START] == 0
    assert offers[START + 30] == 200
    assert 29 <= offers[START + 15] <= 91  # Binomial(200, 0.3): mean 60, 4.5 sigma are 29


def test_phones_beside_the_edge_of_a_share(served):
    """At 300 permille place 299 is offered the build, and place 300 is not."""
    state = make_state(served, [[START, 300]])
    phones = draw_phones(4000, (GROUP,), PLAIN, Draws(5, "x"))
    decider = Decider((GROUP,), phones, 5, 0)
    found = [decider.decide(phone, state, START) for phone in range(4000)]
    pointer = state.find_pointer(GROUP)
    seen = set()
    for phone in range(4000):
        if phones.place[phone] in {299, 300}:
            secret = decider.secret(phone)
            expected = decide_update(pointer, BUILDS[0], 1, secret, START, ())
            assert found[phone] == expected.offer
            seen.add((phones.place[phone], found[phone] is None))
    assert seen == {(299, False), (300, True)}


def test_secrets_differ_between_workers_and_fleets():
    """A secret has 32 bytes and follows from the seed and the phone's number in the fleet."""
    phones = draw_phones(4, (GROUP,), PLAIN, Draws(5, "x"))
    secrets = [
        Decider((GROUP,), phones, seed, first).secret(phone)
        for seed in (1, 2)
        for first in (0, 4)
        for phone in range(4)
    ]
    assert len(set(secrets)) == 16
    assert {len(secret) for secret in secrets} == {32}
    assert secrets[4] == Decider((GROUP,), phones, 1, 0).secret(4)
