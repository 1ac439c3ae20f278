"""Phones that use a cache, and an attacker between phone and server, all in this process.

The phones are `client_sim`'s own, and the server's answers come from the device plane's planner.
The cache stores each answer for as long as its `Cache-Control` says, by the world's clock.
"""

import hashlib
import re
from datetime import timedelta

from tuf.api.metadata import Metadata, MetaFile, Snapshot, TargetFile, Targets, Timestamp
from tuf.api.serialization.json import JSONSerializer

from client_sim.device.client import PollingClient
from client_sim.lab.trace.memory import Entropy, MemoryWorld
from client_sim.transport import Connection
from client_sim.world import BuildFacts, Public
from server.core.checkpoint import encode_checkpoint, encode_leaf, encode_proof
from server.core.pointer import encode_pointer
from server.core.tlog import leaf_hash
from server.device.answer import plan_answer
from server.device.snapshot import EMPTY, load_snapshot
from server.storage.local_blobs import LocalBlobs

FAR = 10**9
NOTHING = "(?!)"
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
FACTORY = BuildFacts("Hening/armani/armani:14/F:user/release-keys", "F", 0, 1, "2025-12-05")


class Edge:
    """A server with a cache in front of it, which stores the paths that match `keeps`."""

    def __init__(self, world, *, keeps=""):
        self.world = world
        self.keeps = re.compile(keeps)
        self.snapshot = EMPTY
        self.seen = ()
        self.kept = {}

    def answer(self, path):
        """Return the status and body for a path."""
        now = self.world.now().timestamp()
        until, answer = self.kept.get(path, (0, None))
        if until <= now or not self.keeps.search(path):
            self._load()
            answer = plan_answer(self.snapshot, "GET", path, [])
            seconds = re.search(r"max-age=(\d+)", answer.headers["Cache-Control"])[1]
            self.kept[path] = now + int(seconds), answer
        return answer.status, answer.body

    def _load(self):
        """Reload the snapshot if files were renamed since it was loaded."""
        folder = self.world.folder
        renamed = ("", "metadata", "metadata/timestamp.json", "log", "log/proof")
        found = [(folder.public / name).stat() for name in renamed]
        if self.seen != (seen := [(each.st_ino, each.st_mtime_ns) for each in found]):
            self.seen = seen
            self.snapshot = load_snapshot(folder.public, LocalBlobs(folder.blobs), self.snapshot)


class Thief:
    """A server in front of another one that replaces some files by ones signed with stolen keys."""

    def __init__(self, upstream, keys):
        self.upstream = upstream
        self.world = upstream.world
        self.keys = keys
        self.lies = {}

    def answer(self, path):
        """Return the status and body for a path."""
        if path in self.lies:
            return 200, self.lies[path]
        return self.upstream.answer(path)

    def timestamp(self, version, snapshot):
        """Sign a timestamp."""
        signed = Timestamp(version, None, self._in(1), MetaFile(snapshot))
        self.lies["/metadata/timestamp.json"] = self._sign("timestamp", signed)

    def snapshot(self, version, **versions):
        """Sign a snapshot that equals the published one except for `versions`."""
        meta = dict(self.world.published().snapshot.meta)
        meta |= {f"{role}.json": MetaFile(number) for role, number in versions.items()}
        signed = Snapshot(version, None, self._in(7), meta)
        self.lies[f"/metadata/{version}.snapshot.json"] = self._sign("snapshot", signed)

    def latest(self, version, pointers, *, is_proven=True):
        """Sign pointers, and a second log with a valid proof."""
        empty = {"sha256": EMPTY_SHA256}
        targets = {
            path: TargetFile(0, empty, path, {"custom": encode_pointer(pointer)})
            for path, pointer in pointers.items()
        }
        data = self._sign("latest", Targets(version, None, self._in(7), targets))
        self.lies[f"/metadata/{version}.latest.json"] = data
        if is_proven:
            self.prove("latest", version, data)

    def prove(self, role, version, data):
        """Sign a log proof that contains a single role version."""
        leaf = leaf_hash(encode_leaf(role, version, hashlib.sha256(data).hexdigest()))
        note = encode_checkpoint(1, leaf, self.keys.log_verifier, self.keys.log.sign)
        self.lies[f"/log/proof/{role}.{version}"] = encode_proof(0, [], note)

    def _sign(self, role, signed):
        metadata = Metadata(signed)
        metadata.sign(self.keys.signers[role])
        return metadata.to_bytes(JSONSerializer(compact=True))

    def _in(self, days):
        return self.world.now().replace(microsecond=0) + timedelta(days=days)


class CachedPhone:
    """A phone as made in armani's factory, with its stored state and its default server."""

    def __init__(self, place):
        self.place = place
        root = place.world.folder.trusted_root.read_bytes()
        public = Public(
            "updates.example", 80, False, "armani", "id", "stable", root, b"", 1, FACTORY
        )
        self.world = MemoryWorld(public, None, entropy=Entropy(b""), start=0, respond=self._respond)
        self.client = PollingClient(self.world)

    def poll(self, place=None):
        """Poll once, at `server` if one is given; returns the outcome."""
        home, self.place = self.place, place or self.place
        try:
            self.world.advance_to(self.place.world.now().timestamp())
            return self.client.poll()
        finally:
            self.place = home

    def update(self, place=None):
        """Poll once, and fetch the release that the maintainers signed; returns its path."""
        outcome = self.poll(place)
        assert outcome.failure is None, outcome.reason
        assert outcome.warnings == ()
        with Connection(self.world) as connection:
            return self.client.fetch_release(outcome.offer, connection).release.path

    def _respond(self, asked):
        method, path, _ = asked.data.decode().split(" ", 2)
        assert method == "GET"
        status, body = self.place.answer(path)
        return b"HTTP/1.1 %d -\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)
