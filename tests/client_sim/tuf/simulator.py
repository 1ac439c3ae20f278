"""Any TUF repository, valid or not, served over HTTP/1.0 on loopback."""

import datetime as dt
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import (
    TOP_LEVEL_ROLE_NAMES,
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Role,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

DAY = dt.timedelta(days=1)


def now():
    """Return the present time as TUF writes it."""
    return dt.datetime.now(dt.UTC).replace(microsecond=0)


class Repository:
    """Change `signed[ROLE]`, then `publish`; `files` has what is served, by path.

    `requests` lists the requested paths, `answers` maps paths to whole answers (status, body). With
    `fingerprints`, timestamp and snapshot also list lengths and hashes.
    """

    def __init__(self, *, consistent=True, fingerprints=False, make_key=None):
        self.make_key = make_key or CryptoSigner.generate_ed25519
        self.fingerprints = fingerprints
        self.files = {}
        self.answers = {}
        self.requests = []
        far = now() + 30 * DAY
        self.signed = {
            "root": Root(consistent_snapshot=consistent, expires=far),
            "timestamp": Timestamp(expires=far),
            "snapshot": Snapshot(expires=far),
            "targets": Targets(expires=far),
        }
        self.signers = {}
        for name in self.signed:
            self.set_keys(name, [self.make_key()])
        self.serve_role("root")
        self.serve_snapshot("targets")
        self.serve_timestamp()
        self.trusted_root = self.files["metadata/1.root.json"]

    @property
    def consistent(self):
        """Tell whether file names have versions."""
        return self.signed["root"].consistent_snapshot

    def set_keys(self, name, signers, threshold=1, *, signing=None):
        """Replace the keys of a top-level role; `signing` are those that sign."""
        root = self.signed["root"]
        root.roles[name] = Role([], threshold)
        for signer in signers:
            root.add_key(signer.public_key, name)
        self.signers[name] = list(signers if signing is None else signing)

    def sign(self, name):
        """Sign a role as it is; returns its bytes."""
        metadata = Metadata(self.signed[name])
        for signer in self.signers[name]:
            metadata.sign(signer, append=True)
        return metadata.to_bytes()

    def name(self, role):
        """Return the path of a role."""
        encoded = quote(role, safe="")
        if role == "timestamp" or (role != "root" and not self.consistent):
            return f"metadata/{encoded}.json"
        return f"metadata/{self.signed[role].version}.{encoded}.json"

    def serve_role(self, name):
        """Sign and serve a role; return its bytes."""
        data = self.files[self.name(name)] = self.sign(name)
        return data

    def serve_snapshot(self, *names):
        """Serve roles and a snapshot that lists them, without new versions."""
        for name in names:
            self.signed["snapshot"].meta[f"{name}.json"] = self._describe(
                name, self.serve_role(name)
            )
        self.serve_role("snapshot")

    def serve_timestamp(self):
        """Serve a timestamp that names the snapshot, without a new version."""
        data = self.files[self.name("snapshot")]
        self.signed["timestamp"].snapshot_meta = self._describe("snapshot", data)
        self.serve_role("timestamp")

    def _describe(self, name, data):
        version = self.signed[name].version
        if not self.fingerprints:
            return MetaFile(version)
        return MetaFile.from_data(version, data, ["sha256"])

    def publish_root(self, *, signing=()):
        """Serve the next root, signed by its own keys and by `signing`."""
        self.signed["root"].version += 1
        own = self.signers["root"]
        self.signers["root"] = [*own, *signing]
        data = self.serve_role("root")
        self.signers["root"] = own
        return data

    def publish(self, *names):
        """Serve the next versions of roles, snapshot and timestamp."""
        for name in (*names, "snapshot", "timestamp"):
            self.signed[name].version += 1
        self.serve_snapshot(*names)
        self.serve_timestamp()

    def delegate(self, delegator, name, *, signers=None, threshold=1, **how):
        """Delegate to a role, which is empty at first, without publishing it."""
        signers = [self.make_key()] if signers is None else signers
        if name not in self.signed:
            self.signed[name] = Targets(expires=now() + 30 * DAY)
        self.signers[name] = list(signers)
        parent = self.signed[delegator]
        if parent.delegations is None:
            parent.delegations = Delegations({}, {})
        if "path_hash_prefixes" not in how:
            how.setdefault("paths", ["*"])
        parent.delegations.roles[name] = DelegatedRole(
            name, [], threshold, how.pop("terminating", False), **how
        )
        for signer in signers:
            parent.add_key(signer.public_key, name)
        return signers

    def add(self, path, data, role="targets", algorithms=("sha256",)):
        """List a target and serve it."""
        target = TargetFile.from_data(path, data, list(algorithms))
        self.signed[role].targets[path] = target
        folder, slash, name = path.rpartition("/")
        for digest in target.hashes.values() if self.consistent else [None]:
            served = name if digest is None else f"{digest}.{name}"
            self.files[f"targets/{folder}{slash}{served}"] = data
        return target

    @property
    def requested(self):
        """Return the requested roles with their versions, or `None` for no version."""
        found = []
        for path in self.requests:
            if path.startswith("metadata/"):
                first, _, rest = path.removeprefix("metadata/").partition(".")
                name = rest.removesuffix(".json") if first.isdecimal() else first
                found.append((name, int(first) if first.isdecimal() else None))
        return found

    @property
    def delegated(self):
        """Return the names of the requested delegated roles, in order."""
        return [name for name, _ in self.requested if name not in TOP_LEVEL_ROLE_NAMES]


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        repository = self.server.repository
        path = self.path.removeprefix("/")
        repository.requests.append(path)
        status, body = repository.answers.get(
            path, (200, repository.files[path]) if path in repository.files else (404, b"no")
        )
        self.send_response(status)
        if not callable(body):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if callable(body):
            body(self.wfile)
        else:
            self.wfile.write(body)

    def log_message(self, *_arguments):
        """Say nothing."""


@contextmanager
def serve(repository):
    """Serve a repository for the length of a block; give its URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.repository = repository
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
