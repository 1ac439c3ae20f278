"""Withdraws releases: the plan of `server.core.withdrawal`, with the signer's refusals."""

from datetime import datetime

from tuf.api.metadata import Targets

from hening.times import show_second
from server.core import withdrawal
from server.core.release import decode_releases
from server.core.withdrawal import Withdrawal, named_paths
from signer.errors import ReleaseRefusal, refusing

__all__ = ["Withdrawal", "plan_withdrawal", "undrained"]


def plan_withdrawal(order: Withdrawal, current: Targets, expires: datetime) -> Targets:
    """Return what `server.core.withdrawal.plan_withdrawal` does; raises ReleaseRefusal."""
    with refusing(ReleaseRefusal):
        return withdrawal.plan_withdrawal(order, current, expires)


def undrained(order: Withdrawal, current: Targets, planned: Targets) -> list[str]:
    """Return a sentence for each named package whose drain is not the one that is asked for.

    It was withdrawn before, and a drain is granted with the withdrawal or never.
    """
    with refusing(ReleaseRefusal):
        before, after = decode_releases(current), decode_releases(planned)
        named = named_paths(order, before)
    return [
        f"{path} was withdrawn before, and a drain cannot be added or lengthened later: its octets"
        f" are served {_until(release.drain_until or 0)}."
        for path in named
        if before[path].withdrawn
        and ((release := after[path]).drain_until or 0) < (order.drain_until or 0)
    ]


def _until(drain_until: int) -> str:
    return f"until {show_second(drain_until)}" if drain_until else "no more"
