"""What a client is told about its upload."""

from dataclasses import dataclass

from server.storage.control_models import Upload


@dataclass(frozen=True, slots=True)
class UploadState:
    """One upload: `offset` of `length` octets have arrived; `expires_at` in epoch seconds."""

    id: str
    sha256: str
    length: int
    offset: int
    expires_at: int

    @property
    def is_whole(self) -> bool:
        """Whether all octets are there and verified: the blob can be named."""
        return self.offset == self.length


def state_of(upload: Upload, offset: int) -> UploadState:
    """Return the state of a row whose octets so far are `offset`."""
    return UploadState(upload.id, upload.sha256, upload.length, offset, upload.expires_at)
