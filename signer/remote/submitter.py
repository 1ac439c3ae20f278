"""Hands one bundle to a server: blobs that it lacks, then the signed metadata, then its result."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from signer.bundle_writer import Progress
from signer.remote.blob_upload import has_blob, upload_blob
from signer.remote.errors import ServerAwayError, ServerRefusal
from signer.remote.outgoing import Outgoing
from signer.remote.server import Server, decode_answer

MEDIA_TYPE = "application/vnd.hening.submission"
_WAIT_SECONDS = 30  # that the server may wait with one answer
_ANSWERS = 20  # ten minutes: what lasts longer has an alarm at the server


@dataclass(frozen=True, slots=True)
class Outcome:
    """A bundle that is published: the snapshot's version that shows it, octets that were sent."""

    bundle: str
    snapshot: int
    sent: int


def submit_outgoing(
    server: Server, outgoing: Outgoing, entropy: Callable[[int], bytes], progress: Progress
) -> Outcome:
    """Hand a bundle over and wait for its result; safe to repeat, also after it was published.

    Raises ServerRefusal with the server's reason, ServerAwayError when it stays away.
    """
    path = f"/submissions/{outgoing.id}"
    known = server.ask("GET", path, expected=(404,))
    if known.status != 404 and decode_answer(known, server.name)["status"] == "published":
        return Outcome(outgoing.id, decode_answer(known, server.name)["snapshot"], 0)
    missing = [blob for blob in outgoing.blobs if not has_blob(server, blob)]
    total, done = sum(blob.length for blob in missing), 0
    for blob in missing:
        upload_blob(server, blob, entropy, partial(_tell, progress, done, total))
        done += blob.length
    headers = {"Content-Type": MEDIA_TYPE}
    while server.attempt("PUT", path, headers, outgoing.pieces(), outgoing.length) is None:
        pass
    server.progressed()
    for _ in range(_ANSWERS):
        answer = server.ask("GET", f"{path}?wait={_WAIT_SECONDS}")
        server.progressed()
        state = decode_answer(answer, server.name)
        if state["status"] == "refused":
            raise ServerRefusal(f"{server.name} refuses the bundle: {state['reason']}")
        if state["status"] == "published":
            return Outcome(outgoing.id, state["snapshot"], total)
    raise ServerAwayError(
        f"{server.name} has the bundle and does not publish it; its operator finds the reason in"
        " its log, and the same command asks again."
    )


def _tell(progress: Progress, before: int, total: int, octets: int) -> None:
    progress(before + octets, total)
