"""Access to a suite's repository: its metadata and its targets, below a URL.

Each file is fetched over its own connection, with the phone's limits on answers. Unlike a phone,
this client accepts any base URL, HTTP/1.0 and servers that state no length. It supports only plain
HTTP on this machine, because a conformance suite runs its own server.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from tuf.api.exceptions import LengthOrHashMismatchError
from tuf.api.metadata import TargetFile, Targets

from client_sim.device.answer import AnswerReader
from client_sim.device.errors import (
    DownloadError,
    StorageError,
    TransportError,
    TrustError,
    UnreachableError,
)
from client_sim.device.internet import connect_plain, resolve
from client_sim.device.records import RecordStore, replace_file
from client_sim.device.refresh import Source, update_role
from client_sim.device.workflow import ROOT_LIMIT, Workflow

_SECONDS: Final = 120.0
# Characters that are not escaped in a URL's path and query.
_SAFE: Final = "!$%&'()*+,-./:;=?@_~"
# Statuses of missing files: some object stores answer 403 for them.
_ABSENT: Final = (403, 404)
_NOT_FOUND_LIMIT: Final = 16_384


# Maximum number of roles that a search visits besides the top-level targets (TUF 5.6.7.1).
_MAX_DELEGATIONS: Final = 32
_PREFIX: Final = "role."
_SUFFIX: Final = ".json"


@dataclass(frozen=True, slots=True)
class Web:
    """Files below `base`; `now` is a clock in epoch seconds."""

    base: str
    now: Callable[[], float]

    def get(self, name: str, limit: int) -> bytes:
        """Return at most `limit` bytes of a file; raises TransportError."""
        body = self.find(name, limit)
        if body is None:
            raise TransportError(f"The server has no {name!a}.")
        return body

    def find(self, name: str, limit: int) -> bytes | None:
        """Return at most `limit` bytes of a file, or None if it does not exist."""
        base = self.base if self.base.endswith("/") else f"{self.base}/"
        try:
            url = urlsplit(base + name)
            host, port = url.hostname, url.port
        except ValueError as error:
            raise TransportError(f"{self.base!a} is not a URL: {error}.") from error
        if url.scheme != "http" or host is None:
            raise TransportError(f"{self.base!a} is not an http:// URL on this machine.")
        target = quote(url.path + (f"?{url.query}" if url.query else ""), safe=_SAFE)
        try:
            stream = connect_plain(resolve(host)[0], 80 if port is None else port)
        except OSError as error:
            raise UnreachableError(f"{host} cannot be reached: {error}.") from error
        try:
            reader = AnswerReader(stream, self.now, lenient=True)
            authority = url.netloc.rpartition("@")[2]
            reader.expect(target, authority)
            stream.send(
                f"GET {target} HTTP/1.1\r\nHost: {authority}\r\n"
                "Accept-Encoding: gzip\r\n\r\n".encode("ascii")
            )
            answer = reader.read(
                limit=max(limit, _NOT_FOUND_LIMIT), seconds=_SECONDS, may_compress=True
            )
        except OSError as error:
            raise UnreachableError(f"The connection to {host} broke: {error}.") from error
        finally:
            stream.close()
        if answer.status in _ABSENT:
            return None
        if answer.status != 200:
            raise TransportError(f"The server answered {answer.status} for {name!a}.")
        if len(answer.body) > limit:
            raise TransportError(f"The server's answer is longer than {limit} bytes.")
        return answer.body


@dataclass(frozen=True, slots=True)
class Metadata:
    """A repository's metadata as a source for the workflow."""

    web: Web

    def find_root(self, version: int) -> bytes | None:
        """Return a version of root, or None if it does not exist."""
        return self.web.find(f"{version}.root.json", ROOT_LIMIT)

    def fetch(self, role: str, version: int | None, limit: int) -> bytes:
        """Return at most `limit` bytes of a role."""
        name = f"{quote(role, safe='')}.json"
        return self.web.get(name if version is None else f"{version}.{name}", limit)


def find_target(source: Source, workflow: Workflow, path: str) -> TargetFile:
    """Find a target in the delegated roles, in order of trust: pre-order, depth first.

    Each role is visited once, also in cycles. After a terminating delegation, no later role is
    searched. Raises TrustError, also if no role lists the target, and TransportError.
    """
    ahead = [("targets", "root")]
    visited: set[str] = set()
    while ahead and len(visited) <= _MAX_DELEGATIONS:
        name, delegator = ahead.pop()
        if name in visited:
            continue
        visited.add(name)
        role = _load_role(source, workflow, name, delegator)
        found = role.targets.get(path)
        if found is not None:
            return found
        if role.delegations is None:
            continue
        children: list[tuple[str, str]] = []
        for child, terminating in role.delegations.get_roles_for_target(path):
            children.append((child, name))
            if terminating:
                ahead = []
                break
        ahead += reversed(children)
    raise TrustError(f"No role lists the target {path!a}.")


def load_target(web: Web, target: TargetFile, directory: Path, *, has_hash_names: bool) -> Path:
    """Return the file of a target in `directory`, fetching it unless it exists and verifies.

    Raises DownloadError, TransportError and StorageError; then no file has changed.
    """
    file = directory / quote(target.path, safe="")
    try:
        if file.is_file() and _is_target(target, file.read_bytes()):
            return file
        directory.mkdir(parents=True, exist_ok=True)
        data = web.get(_find_name(target, has_hash_names=has_hash_names), target.length)
        if not _is_target(target, data):
            raise DownloadError(f"The served file {target.path!a} is not the signed one.")
        replace_file(file, data)
    except OSError as error:
        raise StorageError(f"The target cannot be stored: {error}.") from error
    return file


def _load_role(source: Source, workflow: Workflow, name: str, delegator: str) -> Targets:
    if name == "targets":
        return workflow.verified.targets
    role = workflow.verified.role(name, delegator)
    if role is None:
        update_role(source, workflow, name, delegator)
        role = workflow.verified.role(name, delegator)
        assert role is not None
    return role


def _find_name(target: TargetFile, *, has_hash_names: bool) -> str:
    folder, slash, name = target.path.rpartition("/")
    if not has_hash_names:
        return target.path
    return f"{folder}{slash}{next(iter(target.hashes.values()))}.{name}"


def _is_target(target: TargetFile, data: bytes) -> bool:
    try:
        target.verify_length_and_hashes(data)
    except LengthOrHashMismatchError:
        return False
    return True


class MetadataFolder(RecordStore):
    """The state of a `Workflow`, which stores the record `role.NAME` as `NAME.json`."""

    def _path(self, name: str) -> Path | None:
        return self._directory / (quote(name.removeprefix(_PREFIX), safe="") + _SUFFIX)

    def _name(self, file: str) -> str | None:
        return _PREFIX + unquote(file.removesuffix(_SUFFIX)) if file.endswith(_SUFFIX) else None
