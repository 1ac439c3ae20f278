"""Any TUF repository, sound or not, behind a real HTTP/1.0 server on loopback."""

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
    """Change `signed[ROLE]`, then `publish`; what is served lies in `files` by path.

    `requests` lists the paths that were asked for, `answers` whole answers (status, body) by path.
    With `fingerprints`, timestamp and snapshot list lengths and hashes too.
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
        self.show("root")
        self.show_snapshot("targets")
        self.show_timestamp()
        self.trusted_root = self.files["metadata/1.root.json"]

    @property
    def consistent(self):
        """Tell whether names carry versions."""
        return self.signed["root"].consistent_snapshot

    def set_keys(self, name, signers, threshold=1, *, signing=None):
        """Replace the keys of a top-level role; `signing` are those that will sign."""
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
        """Return where a role is served."""
        encoded = quote(role, safe="")
        if role == "timestamp" or (role != "root" and not self.consistent):
            return f"metadata/{encoded}.json"
        return f"metadata/{self.signed[role].version}.{encoded}.json"

    def show(self, name):
        """Sign a role and serve it; returns its bytes."""
        data = self.files[self.name(name)] = self.sign(name)
        return data

    def show_snapshot(self, *names):
        """Serve roles and a snapshot that lists them, as they are."""
        for name in names:
            self.signed["snapshot"].meta[f"{name}.json"] = self._describe(name, self.show(name))
        self.show("snapshot")

    def show_timestamp(self):
        """Serve a timestamp that names the snapshot, as it is."""
        data = self.files[self.name("snapshot")]
        self.signed["timestamp"].snapshot_meta = self._describe("snapshot", data)
        self.show("timestamp")

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
        data = self.show("root")
        self.signers["root"] = own
        return data

    def publish(self, *names):
        """Serve the next version of roles, of snapshot and of timestamp."""
        for name in (*names, "snapshot", "timestamp"):
            self.signed[name].version += 1
        self.show_snapshot(*names)
        self.show_timestamp()

    def delegate(self, delegator, name, *, signers=None, threshold=1, **how):
        """Delegate to a role, which is empty at first; nothing is published."""
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
    def asked(self):
        """Return the roles asked for, `None` in place of a missing version."""
        found = []
        for path in self.requests:
            if path.startswith("metadata/"):
                first, _, rest = path.removeprefix("metadata/").partition(".")
                name = rest.removesuffix(".json") if first.isdecimal() else first
                found.append((name, int(first) if first.isdecimal() else None))
        return found

    @property
    def delegated(self):
        """Return the names of the delegated roles asked for, in order."""
        return [name for name, _ in self.asked if name not in TOP_LEVEL_ROLE_NAMES]


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
    """Serve a repository for the length of a block; gives its URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.repository = repository
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
