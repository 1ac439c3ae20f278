"""Brings one blob to a server by tus 1.0.0: only if it lacks it, and only the octets it lacks.

Nothing is kept here between two runs. The announcement carries an Idempotency-Key that follows from
the blob, so that the same announcement, repeated within a day, finds the upload that was begun.
"""

import base64
from collections.abc import Callable, Iterator

from signer.bundle_writer import Blob
from signer.errors import ReleaseRefusal
from signer.remote.errors import ServerAwayError
from signer.remote.server import Server, decode_answer

PART = 32 << 20
"""Octets of one part: what a lost connection may cost, beside what the server had written."""
_PIECE = 1 << 18
_TUS = {"Tus-Resumable": "1.0.0"}
_ANEW = 3  # announcements of one blob: the first, and others when an upload has expired


def has_blob(server: Server, blob: Blob) -> bool:
    """Answer whether the server has a blob already."""
    answer = server.ask("GET", f"/blobs/{blob.sha256}", expected=(404,))
    return answer.status == 200 and decode_answer(answer, server.name)["length"] == blob.length


def upload_blob(
    server: Server, blob: Blob, entropy: Callable[[int], bytes], advance: Callable[[int], None]
) -> None:
    """Send what the server lacks of a blob; `advance` is told how many octets it has.

    Raises ReleaseRefusal for a file that is not the one that was inspected.
    """
    if blob.path.stat().st_size != blob.length:
        raise _changed(blob)
    key = f"hening-{blob.sha256}"
    for _ in range(_ANEW):
        path = _announce(server, blob, key)
        if path and _send(server, blob, path, advance):
            return
        key = f"hening-{entropy(16).hex()}"
    raise ServerAwayError(f"{server.name} forgets uploads before they end; look at its clock.")


def _announce(server: Server, blob: Blob, key: str) -> str:
    """Return the path of the upload; empty where the key has been used up without an answer."""
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
    """Send parts until all is there; False when the server knows the upload no more."""
    known = -1
    while True:
        answer = server.ask("HEAD", path, _TUS, expected=(404, 409, 460))
        if answer.status == 404:
            return False
        if answer.status == 460:
            raise _changed(blob)
        if answer.status == 409:
            server.wait("somebody else is sending the same upload")
            continue
        offset = int(answer.headers["upload-offset"])
        if offset > known:
            known = offset
            advance(offset)
            server.progressed()
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
