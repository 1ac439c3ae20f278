"""The blobs that the server has: a query before an upload, which may be unnecessary."""

from typing import Annotated

import msgspec

from server.release.api.address import PREFIX
from server.release.api.operation import Call, Operation, Reply
from server.release.auth.principal import Permission
from server.release.errors import NotFoundError


class BlobView(msgspec.Struct, frozen=True):
    """A stored blob; its hash was verified."""

    sha256: str
    length: Annotated[int, msgspec.Meta(description="Bytes.")]


async def get_blob(call: Call) -> Reply:
    """Return the length of the blob with this sha256; 404 if it is not stored."""
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
        summary="Show a blob",
        handler=get_blob,
        response=BlobView,
    ),
)
