"""A running cloud in a thread, and phones of owners that use it.

By default the main key is derived with a cheap hash, as Argon2id takes a second each time.
"""

import asyncio
import base64
import hashlib
import os
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from client_sim.cloud.account import Cloud, Region, agree, fetch_policy, log_in, sign_up
from client_sim.cloud.kinds import decode_inner
from client_sim.cloud.pull import Report
from client_sim.cloud.recovery import confirm_words, make_words
from client_sim.cloud.sync import synchronise
from client_sim.device.internet import connect_plain
from server.cloud.law.policies import accept_policy
from server.cloud.secrets import Secrets
from server.cloud.storage import MIGRATIONS
from server.core.cloud_policy import encode_policy, policy_key_name
from server.core.note import VerifierKey
from server.storage.database import open_database
from tests.patience import until
from tests.server.cloud.device import PEPPER, SALTS, Clock, running
from tests.server.cloud.policies import SIGNER, TEXT, make_policy

PASSWORD = "correct horse battery staple"


def derive_cheaply(password: bytes, salt: bytes) -> bytes:
    """Derive a main key in place of Argon2id."""
    return hashlib.blake2b(password, digest_size=32, key=salt).digest()


@dataclass
class Served:
    """A running cloud: its address, its clock, its folder, and the regions of phones' images."""

    url: str
    clock: Clock
    folder: Path
    regions: dict


@contextmanager
def serve(folder, region="id", **settings):
    """Run a cloud in a thread until the block ends."""
    key = VerifierKey(policy_key_name(region), bytes(SIGNER.verify_key))
    folder.mkdir(exist_ok=True)
    started, ended = threading.Event(), threading.Event()
    found = {}

    async def main():
        own = {"requests_per_second": 100_000, "logins_per_hour": 100_000}
        own |= {"region": region, "policy_key": str(key)}
        place = folder / "cloud.sqlite"
        await _keep_policy(place, region, key)
        peppers = (Secrets(region, PEPPER, SALTS, os.urandom),)
        chosen = {**own, **settings}
        async with running(place, folder, policies=(), peppers=peppers, **chosen) as cloud:
            regions = {region: Region(region, cloud.url, str(key))}
            found["served"] = Served(cloud.url, cloud.clock, folder, regions)
            started.set()
            await asyncio.to_thread(ended.wait)

    def run():
        try:
            asyncio.run(main())
        except BaseException as error:
            found["error"] = error
            raise
        finally:
            started.set()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        started.wait()
        yield found["served"]
    finally:
        ended.set()
        thread.join()


async def _keep_policy(place, region, key):
    """Store a policy of this region."""
    policy = make_policy(region=region)
    note = encode_policy(policy, key, lambda text: SIGNER.sign(text).signature)
    async with open_database(place, migrations=MIGRATIONS) as database, database.begin() as db:
        await accept_policy(db, note, policy, {"en": TEXT}, 0)


@dataclass
class Wire:
    """A phone's outside world: it records names, connections and bytes, and can fail."""

    clock: Clock
    names: list = field(default_factory=list)
    connections: int = 0
    sent: list = field(default_factory=list)
    before_send: object = None
    before_recv: object = None

    def entropy(self, n):
        """Draw bytes."""
        return os.urandom(n)

    def now(self):
        """Return the test's time."""
        return float(self.clock.seconds)

    def resolve(self, host):
        """Record the name."""
        self.names.append(host)
        return ["127.0.0.1"]

    def connect(self, address, port, _tls):
        """Connect, and count the connection."""
        self.connections += 1
        return Watched(self, connect_plain(address, port))

    @property
    def is_silent(self):
        """Return whether nothing left the phone, not even a DNS query."""
        return not (self.names or self.connections or self.sent)

    @property
    def bytes(self):
        """Return all that was sent."""
        return b"".join(self.sent)

    def forget(self):
        """Forget names, sent bytes and connections."""
        self.names, self.sent, self.connections = [], [], 0


class Watched:
    """A stream that reports sends and reads to the test, which can stop them."""

    def __init__(self, wire, stream):
        self.wire, self.stream = wire, stream

    def send(self, data):
        """Send, unless the test's hook raises."""
        if self.wire.before_send is not None:
            self.wire.before_send(data)
        self.wire.sent.append(data)
        self.stream.send(data)

    def recv(self, limit):
        """Read, and then call the test's hook: the server has answered by then."""
        data = self.stream.recv(limit)
        if self.wire.before_recv is not None:
            self.wire.before_recv()
        return data

    def close(self):
        """Close the stream."""
        self.stream.close()


@dataclass
class Phone:
    """One phone of one owner."""

    cloud: Cloud
    wire: Wire

    def sync(self, **options):
        """Synchronise, and return the report."""
        report = Report()
        synchronise(self.cloud, report, **options)
        return report

    def bodies(self, kind):
        """Return the records of a type, sorted."""
        return sorted(row.body for row in self.cloud.store.live(kind))


class KilledError(BaseException):
    """The phone loses its power."""


@contextmanager
def killed_at(phone, number):
    """Cut a phone's power at its `number`th send or read, if it gets that far."""
    left = [number]

    def step(*_):
        left[0] -= 1
        if left[0] == 0:
            raise KilledError

    phone.wire.before_send = phone.wire.before_recv = step
    try:
        yield
    finally:
        phone.wire.before_send = phone.wire.before_recv = None


def set_again(phone, region, name, *kinds):
    """Log a phone in again that was set up before, and turn types on."""
    log_in(phone.cloud, region, name, PASSWORD, "phone")
    phone.cloud.store.set("words", b"1")
    for kind in kinds:
        phone.cloud.switch(kind, is_on=True)


def wait_for_erasure(phone):
    """Wait until the server has completed the erasure that the phone requested."""
    asked = decode_inner(phone.cloud.store.get("erasure"))

    def is_done():
        with phone.cloud.connect(region=phone.cloud.regions[asked["region"]]) as service:
            return service.erasure(asked["id"]).receipt is not None

    until(is_done)


def make_phone(served, folder, *, derive=derive_cheaply):
    """Make a phone without an account."""
    wire = Wire(served.clock)
    cloud = Cloud(folder, wire, served.regions, derive=derive)
    cloud.store._db.execute("PRAGMA synchronous = OFF")  # no test cuts the machine's power
    return Phone(cloud, wire)


def new_name():
    """Return a name that no other test uses."""
    return f"ani-{base64.b32encode(os.urandom(10)).decode().lower()}"


def set_up(phone, name, *, on=("contact", "note", "message", "photo"), is_new=True, region="id"):
    """Sign up or log in, agree to the policy, set up words, and turn types on."""
    cloud = phone.cloud
    region = cloud.regions[region]
    (sign_up if is_new else log_in)(cloud, region, name, PASSWORD, "phone")
    policy, _ = fetch_policy(cloud, region, "en")
    agree(cloud, policy, "en", at_least=30, guardian=False)
    if is_new:
        confirm_words(cloud, make_words(cloud), PASSWORD)
    else:
        cloud.store.set("words", b"1")
    for kind in on:
        cloud.switch(kind, is_on=True)
    return phone
