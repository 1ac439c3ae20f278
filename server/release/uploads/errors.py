"""What can go wrong with one upload; `server.release.errors` has the rest.

HeningError
├── ConflictError            409
│   ├── UploadBusyError      409  somebody else is sending to it at this moment
│   └── OffsetError          409  the part does not begin where the octets so far end
├── UploadStalledError       408  a part that pauses for too long
└── UploadChecksumError      460  octets that are not those that were announced
"""

from server.core.errors import HeningError
from server.release.errors import ConflictError


class UploadBusyError(ConflictError):
    """Somebody else is sending to this upload, or it is being verified, at this moment."""


class OffsetError(ConflictError):
    """A part does not begin where the octets so far end; `offset` says where that is."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"the next part has to begin at offset {offset}: ask with HEAD first.")
        self.offset = offset


class UploadStalledError(HeningError):
    """A part paused for too long; what arrived is kept."""


class UploadChecksumError(HeningError):
    """The octets are not those that a checksum or the upload's own sha256 announced."""
