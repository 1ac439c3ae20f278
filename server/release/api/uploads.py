"""Resumable uploads by tus 1.0.0: core, creation, checksum, termination, expiration.

Any tus client can be used. It announces the sha256 of all bytes. When all bytes have arrived and
the hash matches, they become a blob, which a submission can name. `GET /blobs/{blob}` shows whether
a blob is stored already, so that no upload is needed.
"""

from collections.abc import AsyncIterator, Mapping
from email.utils import formatdate
from types import MappingProxyType
from typing import Annotated, Any

import msgspec
from aiohttp import web

from server.core.encodings import decode_decimal
from server.core.errors import FormatError
from server.release.api import PREFIX
from server.release.api.decode import check_media_type
from server.release.api.operation import Call, Header, Operations, Reply
from server.release.api.problems import ProblemError
from server.release.auth.principal import Permission
from server.release.errors import NotFoundError
from server.release.uploads.headers import (
    ALGORITHMS,
    decode_checksum,
    decode_upload_metadata,
    encode_upload_metadata,
)
from server.release.uploads.uploads import UploadView

VERSION = "1.0.0"
MEDIA_TYPE = "application/offset+octet-stream"
_DECIMAL = "^(0|[1-9][0-9]{0,15})$"
_RESUMABLE = Header("Tus-Resumable", "The protocol's version.", rf"^{VERSION}$", required=True)
OPERATIONS = Operations(
    permission=Permission.UPLOAD, reply_headers=MappingProxyType({"Tus-Resumable": VERSION})
)


class BlobView(msgspec.Struct, frozen=True):
    """A stored blob; its hash was verified."""

    sha256: str
    length: Annotated[int, msgspec.Meta(description="Bytes.")]


async def _create_again(call: Call, entry: Mapping[str, Any]) -> Reply:
    """Answer with the present state of the created upload."""
    state = await call.services.uploads.get(call.caller, entry["subject"])
    location = {"Location": f"{PREFIX}/uploads/{state.id}"}
    return Reply(state, headers=location | _progress(state))


@OPERATIONS.on(
    "OPTIONS /uploads", "Show the supported tus version", permission=None, public=True, status=204
)
async def tell_upload_protocol(call: Call) -> Reply:
    """Return the version of tus, its extensions, and the maximum length."""
    return Reply(
        headers={
            "Tus-Version": VERSION,
            "Tus-Extension": "creation,checksum,termination,expiration",
            "Tus-Checksum-Algorithm": ",".join(sorted(ALGORITHMS)),
            "Tus-Max-Size": str(call.services.settings.upload_limit),
        }
    )


@OPERATIONS.on(
    "POST /uploads",
    "Create an upload",
    again=_create_again,
    response=UploadView,
    status=201,
    errors=(412, 413, 507),
    headers=(
        _RESUMABLE,
        Header("Upload-Length", "The length of the blob in bytes.", _DECIMAL, required=True),
        Header(
            "Upload-Metadata",
            "`sha256 BASE64`: the sha256 of the blob in hex, encoded in base64.",
            required=True,
        ),
    ),
)
async def create_upload(call: Call) -> Reply:
    """Create an upload. If its blob is stored already, the offset is the whole length."""
    _check_version(call)
    if "Upload-Defer-Length" in call.headers:
        raise FormatError("Upload-Defer-Length is not supported: send Upload-Length.")
    state = await call.services.uploads.create(
        call.caller,
        _decimal(call, "Upload-Length"),
        decode_upload_metadata(_one(call, "Upload-Metadata")),
    )
    location = {"Location": f"{PREFIX}/uploads/{state.id}"}
    return Reply(state, headers=location | _progress(state))


@OPERATIONS.on("GET /uploads/{upload}", "Show an upload", response=UploadView, errors=(409, 460))
async def get_upload(call: Call) -> Reply:
    """Return the progress of one of your uploads, for clients without tus."""
    state = await call.services.uploads.get(call.caller, call.path["upload"])
    return Reply(state, headers=_progress(state))


@OPERATIONS.on(
    "HEAD /uploads/{upload}",
    "Show the offset of an upload",
    errors=(409, 412, 460),
    headers=(_RESUMABLE,),
)
async def find_upload_offset(call: Call) -> Reply:
    """Return the offset of the next part; 409 while a part is being received."""
    _check_version(call)
    state = await call.services.uploads.get(call.caller, call.path["upload"])
    described = {
        "Upload-Length": str(state.length),
        "Upload-Metadata": encode_upload_metadata(state.sha256),
    }
    return Reply(headers=_progress(state) | described)


@OPERATIONS.on(
    "PATCH /uploads/{upload}",
    "Send a part",
    status=204,
    errors=(408, 409, 412, 413, 415, 460, 507),
    raw=True,
    content_type=MEDIA_TYPE,
    headers=(
        _RESUMABLE,
        Header("Upload-Offset", "Where the part begins.", _DECIMAL, required=True),
        Header("Upload-Checksum", "`ALGORITHM BASE64` of the part: sha1 or sha256."),
    ),
)
async def append_to_upload(call: Call) -> Reply:
    """Append a part. Of an interrupted part the bytes so far stay, unless it has a checksum.

    The answer 460 means that a hash does not match: that of the part, which has to be sent again,
    or that of the complete upload, which is deleted then.
    """
    _check_version(call)
    check_media_type(call.request, MEDIA_TYPE)
    offset = _decimal(call, "Upload-Offset")
    checksum = None
    if "Upload-Checksum" in call.headers:
        checksum = decode_checksum(_one(call, "Upload-Checksum"))
    state = await call.services.uploads.append(
        call.caller,
        call.path["upload"],
        offset,
        _pieces(call.request),
        call.request.content_length,
        checksum,
    )
    return Reply(headers=_progress(state))


@OPERATIONS.on(
    "DELETE /uploads/{upload}",
    "Delete an upload",
    status=204,
    errors=(409, 412),
    headers=(_RESUMABLE,),
)
async def end_upload(call: Call) -> Reply:
    """Delete an upload and its bytes; a blob made from it stays."""
    _check_version(call)
    await call.services.uploads.remove(call.caller, call.path["upload"])
    return Reply()


@OPERATIONS.on(
    "GET /blobs/{blob}",
    "Show a blob",
    permission=Permission.READ,
    response=BlobView,
    reply_headers={},
)
async def get_blob(call: Call) -> Reply:
    """Return the length of the blob with this sha256; 404 if it is not stored."""
    sha256 = call.path["blob"]
    length = await call.services.uploads.blob_length(sha256)
    if length is None:
        raise NotFoundError("there is no blob with this sha256: upload it.")
    return Reply(BlobView(sha256, length))


async def _pieces(request: web.BaseRequest) -> AsyncIterator[bytes]:
    try:
        async for piece in request.content.iter_any():
            yield piece
    except web.RequestPayloadError as error:
        raise FormatError(
            "the framing of the body is invalid: the bytes so far are kept."
        ) from error


def _check_version(call: Call) -> None:
    if call.request.headers.getall("Tus-Resumable", []) != [VERSION]:
        raise ProblemError(
            412,
            "tus-version",
            f"Send `Tus-Resumable: {VERSION}`, the version of tus that this server supports.",
            {"Tus-Version": VERSION},
        )


def _one(call: Call, name: str) -> str:
    values: list[str] = call.request.headers.getall(name, [])
    if len(values) != 1:
        raise FormatError(f"send the header {name} exactly once.")
    return values[0]


def _decimal(call: Call, name: str) -> int:
    text = _one(call, name)
    try:
        return decode_decimal(text)
    except FormatError as error:
        raise FormatError(f"{name} has to be a decimal number of bytes: {error}") from error


def _progress(state: UploadView) -> dict[str, str]:
    return {
        "Upload-Offset": str(state.offset),
        "Upload-Expires": formatdate(state.expires, usegmt=True),
    }
