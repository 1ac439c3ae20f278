"""What has become of a submission."""

from dataclasses import dataclass
from typing import Literal

from server.publisher.incoming import is_finished
from server.storage.layout import StateFolder
from server.storage.models import Submission

Status = Literal["waiting", "published", "refused"]


@dataclass(frozen=True, slots=True)
class SubmissionState:
    """One bundle: `snapshot` is the version that shows it, 0 else; `finished_at` epoch seconds."""

    id: str
    status: Status
    reason: str = ""
    snapshot: int = 0
    finished_at: int = 0

    @property
    def key(self) -> str:
        """The key by which submissions are listed, the newest first: a waiting one has no end."""
        return f"{self.finished_at or 10**15:016d}.{self.id}"


def waits(folder: StateFolder, submission_id: str) -> bool:
    """Answer whether a bundle lies in `incoming` without its result. Reads the disk."""
    bundle = folder.incoming / submission_id
    return bundle.is_dir() and not is_finished(bundle, folder.results)


def state_of(row: Submission) -> SubmissionState:
    """Return what the publisher wrote down about a bundle."""
    status: Status = "published" if row.status == "published" else "refused"
    return SubmissionState(row.id, status, row.reason, row.snapshot, row.finished_at)
