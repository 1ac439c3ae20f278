"""One root undoes a theft of a model's key and of all online keys, whatever the thief does.

The phone's own code polls an honest repository and a thief's view of it, in any order, at any time
and by any clock. Installation is modelled on the update engine: only packages of the team's build
machine are installed, and only under their own metadata.
"""

import copy
import datetime as dt
import hashlib
from dataclasses import dataclass, replace
from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from securesystemslib.signer import CryptoSigner

from client_sim.device.client import PollingClient
from client_sim.device.errors import DeviceError
from client_sim.device.limits import load_counter
from client_sim.device.records import forget_agreed, load_floor, raise_floor
from client_sim.lab.servers.caches import memoised
from client_sim.transport import Connection
from client_sim.world import BuildFacts
from tests.client_sim.device.fake_world import FakeWorld
from tests.client_sim.device.repository_simulator import (
    DAY,
    Repository,
    make_pointer,
    make_step,
)

LAST = 2**53 - 1
LATEST_EXPIRY = 253_402_214_400  # the last day of 9999


@dataclass(frozen=True)
class Package:
    """A build of the team's build machine: the zip's bytes and its build time."""

    data: bytes
    made: int

    @property
    def says(self):
        """The package's own metadata: fingerprint, date and patch level."""
        return f"Hening/armani:14/T/{self.made}", self.made, "2026-01-05"


class Team:
    """The honest publications; every build is offered to everyone."""

    def __init__(self):
        self.repository = Repository()
        self.packages = []
        self.highest = 1

    def pass_days(self, days):
        """Let time pass, and sign every role again."""
        self.repository.now += days * DAY
        self.repository.publish("targets", "tables", "content", "latest", "armani")

    def release(self):
        """Build, list and offer the next build."""
        self.repository.now += 60
        self.highest += 1
        package = Package(b"%d" % self.repository.now, self.repository.now)
        self.packages.append(package)
        offer(self.repository, [(package, self.highest)])
        self.repository.publish("armani", "latest")

    def heal(self):
        """Replace all stolen keys and reset the model with one root; release a build."""
        repository = self.repository
        repository.now += DAY
        for name in ("timestamp", "snapshot"):
            repository.set_keys(name, [CryptoSigner.generate_ed25519()])
        for name in ("latest", "armani"):
            repository.signers[name] = [CryptoSigner.generate_ed25519()]
        repository.delegate()
        reset = {"counter": self.highest, "number": 1, "time": repository.now}
        repository.signed["root"].unrecognized_fields["custom"]["resets"] = {"armani": reset}
        repository.publish_root()
        role = {"floor": 0, "floor_time": repository.now, "reset": 1, "schema": 1}
        repository.signed["armani"].unrecognized_fields["custom"] = role
        repository.publish("targets", "tables", "content")
        self.release()


@dataclass(frozen=True)
class Theft:
    """The values that a thief signs; times are in seconds from the theft.

    The team's newest packages are listed again, with counters above `floor` by `steps`. `lie` is
    the date and the patch level of an invented build that is listed as well.
    """

    floor: int
    steps: tuple[int, ...]
    floor_time: int
    lie: tuple[int, str] | None
    role_expires: int
    timestamp_expires: int
    version_step: int

    def view(self, team):
        """Return the repository as the thief's mirror serves it."""
        view = copy.copy(team.repository)
        view.signed, view.files = copy.deepcopy(view.signed), dict(view.files)
        view.log = copy.copy(view.log)
        view.log.entries = list(view.log.entries)
        role = view.signed["armani"]
        role.unrecognized_fields["custom"] = {
            "floor": self.floor,
            "floor_time": max(0, view.now + self.floor_time),
            "schema": 1,
        }
        role.targets.clear()
        if self.lie is not None:
            made, level = self.lie
            view.add_release(
                b"none",
                "none.zip",
                counter=max(1, self.floor),
                post_timestamp=max(0, view.now + made),
                security_patch_level=level,
            )
        counters = accumulate(self.steps, initial=max(0, self.floor - 1))
        if listed := [*zip(team.packages[-len(self.steps) :], [*counters][1:], strict=False)]:
            offer(view, [each for each in listed if each[1] <= LAST] or listed[:1])
        for name in ("armani", "latest", "snapshot", "timestamp"):
            view.signed[name].version += self.version_step
        for name in ("armani", "latest"):
            view.publish_role(name)
        role.expires = moment(view.now + self.role_expires)
        sign_role(view, "armani")
        view.publish_snapshot()
        view.signed["timestamp"].expires = moment(view.now + self.timestamp_expires)
        view.files["/metadata/timestamp.json"] = view.sign("timestamp")
        return view


def offer(repository, listed):
    """List packages under counters in the model's role, and offer the one with the highest."""
    links = {}
    for package, counter in listed:
        fingerprint, made, level = package.says
        links[counter] = repository.add_release(
            package.data,
            f"{counter}.zip",
            counter=counter,
            fingerprint=fingerprint,
            post_timestamp=made,
            security_patch_level=level,
        )
    counter = max(links)
    made = {number: package.made for package, number in listed}[counter]
    repository.point(make_pointer([make_step(counter, [links[counter]], t=made)]))


def sign_role(view, name):
    """Sign a role unchanged, including its expiry, and log it."""
    signed = view.signed[name]
    data = view.sign(name)
    index = view.log.append(name, signed.version, data)
    view.files[f"/metadata/{signed.version}.{name}.json"] = data
    view.files[f"/log/proof/{name}.{signed.version}"] = view.log.prove(index)


def moment(seconds):
    """Convert epoch seconds to TUF dates, capped at the last date."""
    return dt.datetime.fromtimestamp(min(max(seconds, 0), LATEST_EXPIRY), dt.UTC)


class CachedPhone:
    """A phone that polls, installs offers, and reboots immediately or later."""

    def __init__(self, team):
        self.team = team
        self.world = FakeWorld(team.repository)
        self.pending = None

    def attempt(self, view, clock):
        """Poll once by `clock`, and install the offer if it can be installed."""
        self.world.repository, self.world.clock = view, float(max(0, clock))
        client = PollingClient(self.world)
        chosen = client.poll().offer
        if chosen is None or self.pending is not None:
            return
        try:
            with Connection(self.world) as connection:
                release = client.fetch_release(chosen, connection).release
        except DeviceError:
            return
        says = (release.fingerprint, release.post_timestamp, release.security_patch_level)
        made = {hashlib.sha256(p.data).hexdigest(): p.says for p in self.team.packages}
        if made.get(chosen.sha256) == says and client.poll().offer == chosen:
            self.pending = BuildFacts(says[0], release.incremental, chosen.counter, *says[1:])

    def reboot(self):
        """Start the installed build, as `Phone.reboot` does."""
        if self.pending is not None:
            self.world.public = replace(self.world.public, build=self.pending)
            state, build, self.pending = self.world.state, self.pending, None
            counter = load_counter(state, build.counter, build.post_timestamp)
            if counter > load_floor(state):
                raise_floor(state, counter)
                forget_agreed(state)


@pytest.fixture(scope="module", autouse=True)
def quickly():
    """Cache verified signatures."""
    with memoised():
        yield


seconds = st.sampled_from([-DAY, 0, DAY, DAY + 1, 90 * DAY, 4000 * DAY, 7900 * 365 * DAY])
thefts = st.builds(
    Theft,
    floor=st.one_of(st.just(0), st.integers(1, 3000), st.integers(LAST - 2000, LAST - 1)),
    steps=st.lists(st.sampled_from([1, 2, 999, 1000, 1001]), max_size=2).map(tuple),
    floor_time=seconds,
    lie=st.none() | st.tuples(seconds, st.sampled_from(["2026-01-05", "9999-12-31"])),
    role_expires=st.just(90 * DAY) | seconds,
    timestamp_expires=st.just(DAY) | seconds,
    version_step=st.sampled_from([1, 2, 10**6, LAST // 4]),
)
clocks = st.sampled_from([0, 0, -365 * DAY, 365 * DAY, 4000 * DAY])
actions = st.lists(
    st.one_of(
        st.just(("release",)),
        st.tuples(st.just("days"), st.integers(1, 400)),
        st.tuples(st.just("poll"), clocks, st.booleans()),
        st.tuples(st.just("theft"), thefts, clocks, st.booleans()),
    ),
    max_size=10,
)


@given(actions=actions, last_clock=st.sampled_from([0, -365 * DAY]))
@settings(max_examples=150, deadline=None)
def test_one_root_recovers_every_phone(actions, last_clock):
    """With a correct clock or one a year slow, the phone installs the build after the reset."""
    team = Team()
    phone = CachedPhone(team)
    team.release()
    for name, *details in actions:
        if name == "release":
            team.release()
        elif name == "days":
            team.pass_days(*details)
        else:
            theft, clock, reboots = details if name == "theft" else (None, *details)
            view = team.repository if theft is None else theft.view(team)
            phone.attempt(view, team.repository.now + clock)
            if reboots:
                phone.reboot()
    team.heal()
    for _ in range(3):
        phone.attempt(team.repository, team.repository.now + last_clock)
        phone.reboot()
    assert phone.world.public.build.counter == team.highest
    assert load_floor(phone.world.state) == team.highest
