"""Submits a bundle to a server: missing blobs, then the signed metadata; waits for the result."""

import base64
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from server.core.bundle import MAX_BUNDLE, decode_bundle
from server.core.metadata import metadata_limit
from server.core.names import metadata_name
from signer.bundle_writer import Blob, Progress, describe_bundle
from signer.errors import ReleaseRefusal, SignerError, refusing
from signer.remote.connection import Server, ServerRefusal, ServerUnavailableError, decode_answer

PART = 32 << 20
"""Bytes of one part: the most that a lost connection makes the client send again."""
_PIECE = 1 << 18
_TUS = {"Tus-Resumable": "1.0.0"}
_MAX_ANNOUNCEMENTS = 3  # of one blob: the first, and more if an upload has expired


def has_blob(server: Server, blob: Blob) -> bool:
    """Return whether the server has a blob already."""
    answer = server.ask("GET", f"/blobs/{blob.sha256}", expected=(404,))
    return answer.status == 200 and decode_answer(answer, server.name)["length"] == blob.length


def upload_blob(
    server: Server, blob: Blob, entropy: Callable[[int], bytes], advance: Callable[[int], None]
) -> None:
    """Upload the bytes of a blob that the server lacks.

    `advance` is called with the number of bytes that the server has. Raises ReleaseRefusal if the
    file has changed since it was inspected.
    """
    if blob.path.stat().st_size != blob.length:
        raise _changed(blob)
    key = f"hening-{blob.sha256}"
    for _ in range(_MAX_ANNOUNCEMENTS):
        path = _announce(server, blob, key)
        if path and _send(server, blob, path, advance):
            return
        key = f"hening-{entropy(16).hex()}"
    raise ServerUnavailableError(f"{server.name} forgets uploads before they end; check its clock.")


def _announce(server: Server, blob: Blob, key: str) -> str:
    """Return the path of the upload; empty if `key` was used before, and a new one is needed."""
    metadata = base64.b64encode(blob.sha256.encode()).decode()
    headers = {
        **_TUS,
        "Idempotency-Key": key,
        "Upload-Length": str(blob.length),
        "Upload-Metadata": f"sha256 {metadata}",
    }
    answer = server.ask("POST", "/uploads", headers, expected=(409, 422))
    if answer.status in {409, 422}:
        return ""
    return f"/uploads/{decode_answer(answer, server.name)['id']}"


def _send(server: Server, blob: Blob, path: str, advance: Callable[[int], None]) -> bool:
    """Send parts until the upload is complete; False when the server no longer knows it."""
    known = -1
    while True:
        answer = server.ask("HEAD", path, _TUS, expected=(404, 409, 460))
        if answer.status == 404:
            return False
        if answer.status == 460:
            raise _changed(blob)
        if answer.status == 409:
            server.wait("another client is sending the same upload")
            continue
        offset = int(answer.headers["upload-offset"])
        if offset > known:
            known = offset
            advance(offset)
            server.record_progress()
        if offset == blob.length:
            return True
        length = min(PART, blob.length - offset)
        headers = {
            **_TUS,
            "Upload-Offset": str(offset),
            "Content-Type": "application/offset+octet-stream",
        }
        pieces = _read(blob, offset, length, advance)
        sent = server.attempt("PATCH", path, headers, pieces, length, (404, 409, 460))
        if sent is not None and sent.status == 460:
            raise _changed(blob)


def _read(blob: Blob, offset: int, length: int, advance: Callable[[int], None]) -> Iterator[bytes]:
    with blob.path.open("rb") as file:
        file.seek(offset)
        while length:
            piece = file.read(min(_PIECE, length))
            if not piece:
                raise _changed(blob)
            length -= len(piece)
            offset += len(piece)
            yield piece
            advance(offset)


def _changed(blob: Blob) -> ReleaseRefusal:
    return ReleaseRefusal(
        f"{blob.path.name} is not the file that was signed; put that one there and run the command"
        " again."
    )


@dataclass(frozen=True, slots=True)
class Outgoing:
    """The contents of a submission: `bundle.json`, the role files in the order it lists, blobs."""

    id: str
    bundle: bytes
    roles: tuple[bytes, ...]
    blobs: tuple[Blob, ...]

    @property
    def length(self) -> int:
        """Total bytes of `pieces`."""
        return len(self.bundle) + sum(map(len, self.roles))

    def pieces(self) -> Iterator[bytes]:
        """Yield the request body of docs/FORMATS.md section 6."""
        yield self.bundle
        yield from self.roles


def load_outgoing(folder: Path) -> Outgoing:
    """Read a bundle that `--out` made; raises SignerError for any other folder."""
    data = _read_file(folder / "bundle.json", MAX_BUNDLE)
    with refusing(SignerError):
        bundle = decode_bundle(data)
    roles = []
    for role in bundle.roles:
        name = metadata_name(role.name, role.version)
        content = _read_file(folder / "metadata" / name, metadata_limit(role.name))
        if hashlib.sha256(content).hexdigest() != role.sha256:
            raise SignerError(f"{folder / 'metadata' / name} is not the file that was signed.")
        roles.append(content)
    blobs = [Blob(folder / "blobs" / b.sha256, b.length, b.sha256) for b in bundle.blobs]
    return Outgoing(hashlib.sha256(data).hexdigest(), data, tuple(roles), tuple(blobs))


def make_outgoing(roles: Mapping[tuple[str, int], bytes], blobs: Sequence[Blob]) -> Outgoing:
    """Return a bundle that is not on disk: bytes by role and version, blobs at their own paths."""
    bundle_id, data = describe_bundle(roles, blobs)
    files = tuple(content for _, content in sorted(roles.items()))
    distinct = {blob.sha256: blob for blob in blobs}
    return Outgoing(bundle_id, data, files, tuple(distinct.values()))


def _read_file(path: Path, limit: int) -> bytes:
    if not path.is_file():
        raise SignerError(f"{path} does not exist; give a folder that `--out` has made.")
    with path.open("rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise SignerError(f"{path} has more than {limit} bytes.")
    return data


MEDIA_TYPE = "application/vnd.hening.submission"
_WAIT_SECONDS = 30  # the longest that the server may delay one answer
_ANSWERS = 20  # ten minutes: a longer wait raises an alarm at the server


@dataclass(frozen=True, slots=True)
class Outcome:
    """A published bundle: the snapshot version that lists it, and the bytes that were sent."""

    bundle: str
    snapshot: int
    sent: int


def submit_outgoing(
    server: Server, outgoing: Outgoing, entropy: Callable[[int], bytes], progress: Progress
) -> Outcome:
    """Submit a bundle and wait for its result; safe to repeat, also after it was published.

    Raises ServerRefusal with the server's reason, ServerUnavailableError when the tries are used
    up.
    """
    path = f"/submissions/{outgoing.id}"
    known = server.ask("GET", path, expected=(404,))
    if known.status != 404 and decode_answer(known, server.name)["status"] == "published":
        return Outcome(outgoing.id, decode_answer(known, server.name)["snapshot"], 0)
    missing = [blob for blob in outgoing.blobs if not has_blob(server, blob)]
    total, done = sum(blob.length for blob in missing), 0
    for blob in missing:
        upload_blob(server, blob, entropy, partial(_report_progress, progress, done, total))
        done += blob.length
    headers = {"Content-Type": MEDIA_TYPE}
    while server.attempt("PUT", path, headers, outgoing.pieces(), outgoing.length) is None:
        pass
    server.record_progress()
    for _ in range(_ANSWERS):
        answer = server.ask("GET", f"{path}?wait={_WAIT_SECONDS}")
        server.record_progress()
        state = decode_answer(answer, server.name)
        if state["status"] == "refused":
            raise ServerRefusal(f"{server.name} refuses the bundle: {state['reason']}")
        if state["status"] == "published":
            return Outcome(outgoing.id, state["snapshot"], total)
    raise ServerUnavailableError(
        f"{server.name} has the bundle and does not publish it; its log says why. The same command"
        " asks again."
    )


def _report_progress(progress: Progress, before: int, total: int, size: int) -> None:
    progress(before + size, total)
