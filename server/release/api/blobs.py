"""The blobs that the server has: a query before an upload, which may be unnecessary."""

from typing import Annotated

import msgspec

from server.release.api.address import PREFIX
from server.release.api.operation import Call, Operation, Reply
from server.release.auth.principal import Permission
from server.release.errors import NotFoundError


class BlobView(msgspec.Struct, frozen=True):
    """Bytes that are here, their hash verified."""

    sha256: str
    length: Annotated[int, msgspec.Meta(description="Bytes.")]


async def get_blob(call: Call) -> Reply:
    """Tell whether bytes with this sha256 are here, and how many they are."""
    sha256 = call.path["blob"]
    length = await call.services.uploads.blob_length(sha256)
    if length is None:
        raise NotFoundError("no bytes with this sha256 are here: upload them.")
    return Reply(BlobView(sha256, length))


OPERATIONS = (
    Operation(
        method="GET",
        path=f"{PREFIX}/blobs/{{blob}}",
        permission=Permission.READ,
        summary="Is a blob here",
        handler=get_blob,
        response=BlobView,
    ),
)
