"""One synchronising: contacts, notes, messages, then photos, over one connection.

It happens when the owner asks for it, or at a time that was drawn before: neither an edit nor a
poll for updates moves it.
"""

from collections.abc import Callable
from typing import Final

from client_sim.cloud import wire
from client_sim.cloud.account import Cloud
from client_sim.cloud.errors import OffError, RefusedError
from client_sim.cloud.heads import check_heads, write_head
from client_sim.cloud.pieces import (
    download_originals,
    find_removed,
    remove_former,
    remove_pieces,
    upload_pieces,
)
from client_sim.cloud.pull import Report, pull
from client_sim.cloud.push import push
from client_sim.cloud.records import META_STEP, find_padded
from client_sim.cloud.service import Service
from client_sim.cloud.store import Row

SHORTEST: Final = 4 * 3600
LONGEST: Final = 8 * 3600
_STOPS: Final = {"consent_required", "quota_exceeded", "no_room", "region_closing"}


def synchronise(cloud: Cloud, report: Report, *, forgives: bool = False) -> None:
    """Synchronise all types that are on; raises CloudError, OffError where none is.

    With `forgives` what an older state of the server lacks is sent again. A server that takes
    nothing new is still read.
    """
    kinds = cloud.on
    if not kinds:
        raise OffError("Nothing is turned on, so nothing was sent.")
    asks = _Guard(cloud, kinds)
    draw_next(cloud)  # before anything is sent: a crash does not bring the next time nearer
    written: list[Row] = []
    is_stopped = False
    with cloud.asking(asks) as service:
        pull(cloud, service, "devices", report, forgives=forgives)
        for kind in kinds:
            asks.kinds = (kind,)
            report.say(f"{kind}s")
            pull(cloud, service, kind, report, forgives=forgives)
            if not is_stopped and cloud.store.changed(kind):
                try:
                    written += _send(cloud, service, kind, report)
                except RefusedError as refusal:
                    if refusal.code not in _STOPS:
                        raise
                    is_stopped = True
                    report.warnings.append(f"{refusal} What changed here waits on the phone.")
            if kind == "photo":
                download_originals(cloud, service, report)
        asks.kinds = kinds
        check_heads(cloud, service, report)
        if written:
            write_head(cloud, written)
            push(cloud, service, "devices", report)


def draw_next(cloud: Cloud) -> float:
    """Draw when the phone synchronises next: uniform, 4 to 8 hours from now."""
    part = int.from_bytes(cloud.entropy(8), "big") / 2**64
    due = cloud.outside.now() + SHORTEST + part * (LONGEST - SHORTEST)
    cloud.store.set("due", f"{due:.0f}".encode())
    return due


def find_next(cloud: Cloud) -> int | None:
    """Return when the phone synchronises next, None where nothing is on; nothing is sent."""
    kept = cloud.store.get("due")
    return int(kept) if kept and cloud.on else None


class _Guard:
    """Raises OffError when all of `kinds` are off, or the phone is logged out."""

    def __init__(self, cloud: Cloud, kinds: tuple[str, ...]) -> None:
        self._cloud = cloud
        self.kinds = kinds

    def __call__(self) -> None:
        on = self._cloud.store.get("on").decode().split()
        if not set(self.kinds) & set(on):
            raise OffError(f"The backup of {self.kinds[0]}s is off; nothing more of it was sent.")


def _send(cloud: Cloud, service: Service, kind: str, report: Report) -> list[Row]:
    need = sum(_measure(row) for row in cloud.store.changed(kind))
    usage = service.account("GET", "usage", wire.Usage)
    _check_usage(cloud, usage, need, report)
    removed: set[str] = set()
    if kind == "photo":
        removed = find_removed(cloud)
        upload_pieces(cloud, service, report)
    try:
        written = push(cloud, service, kind, report)
    except RefusedError as refusal:
        if refusal.code == "quota_exceeded" and usage.used + need <= usage.quota:
            report.warnings.append(
                f"The server says that your space is full, but counts {usage.used} of"
                f" {usage.quota} bytes: ask its operator."
            )
        raise
    remove_pieces(cloud, service, removed)
    if kind == "photo":
        remove_former(cloud, service)
    return written


def _check_usage(cloud: Cloud, usage: wire.Usage, need: int, report: Report) -> None:
    """Warn where something will not fit, or the server counts less than it has been given."""
    if usage.quota and usage.used + need > usage.quota:
        report.warnings.append(
            f"{need} bytes are to be sent, and the server has room for"
            f" {max(0, usage.quota - usage.used)}: what does not fit stays on the phone."
        )
    kinds: Callable[[str], list[Row]] = cloud.store.live
    known = sum(_measure(row) for kind in cloud.on for row in kinds(kind) if row.etag is not None)
    if usage.used < known // 2:
        report.warnings.append(
            f"The server counts {usage.used} bytes, but was given {known}: it may have lost some."
        )


def _measure(row: Row) -> int:
    """Return about how many bytes a record has on the server."""
    return META_STEP + (find_padded(len(row.body)) if row.body else 0)
