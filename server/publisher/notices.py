"""What a person has to look at, whatever it is about, for logs and dashboards. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from server.core.quantities import spell_size
from server.publisher.lives import Alarm, Severity
from server.storage.room import Room

SCARCE = 4  # times keep_free: less is a warning
NEARLY = 0.9  # of the quota


@dataclass(frozen=True, slots=True)
class Notice:
    """One sentence that says what is wrong and what to do.

    `subject`: a role, `clock`, `disk`, `limits`, `log`, `quota` or `server`.
    """

    subject: str
    severity: Severity
    sentence: str

    def __str__(self) -> str:
        return self.sentence


def notice_of(alarm: Alarm) -> Notice:
    """Return the notice of a role whose life runs out."""
    return Notice(alarm.role, alarm.severity, str(alarm))


def plan_room_notices(free: int, used: int, room: Room) -> Iterator[Notice]:
    """Yield what is to be said of a disk with `free` octets, and of `used` octets of blobs."""
    if free < SCARCE * room.keep_free:
        is_short = free < room.keep_free
        left, kept = spell_size(free), spell_size(room.keep_free)
        yield Notice(
            "disk",
            "critical" if is_short else "warning",
            f"{left} are free on the disk, and"
            + (
                f" below {kept} (`keep_free`) bundles and uploads are refused: make room."
                if is_short
                else f" at {kept} (`keep_free`) bundles and uploads will be refused: make room in"
                " time."
            ),
        )
    if room.quota and used >= NEARLY * room.quota:
        yield Notice(
            "quota",
            "critical" if used >= room.quota else "warning",
            f"packages take {spell_size(used)} of the {spell_size(room.quota)} that `blob_quota`"
            " allows: collect garbage with `gc`, or raise it.",
        )
