"""Promotes a build: the plan of `server.core.promotion`, and the team's rules for changelogs."""

from dataclasses import dataclass
from datetime import datetime

from tuf.api.metadata import Targets

from server.core import promotion
from server.core.promotion import Promotion
from server.core.release import decode_releases
from signer.errors import ReleaseRefusal, refusing
from signer.release.changelog import check_locales

__all__ = ["Promotion", "PromotionOrder", "plan_promotion"]


@dataclass(frozen=True, slots=True)
class PromotionOrder(promotion.PromotionOrder):
    """Which build goes from where to where, and the locales that its changelog has to have."""

    required_locales: tuple[str, ...] = ()


def plan_promotion(order: PromotionOrder, current: Targets, expires: datetime) -> Promotion:
    """Return what `server.core.promotion.plan_promotion` does; raises ReleaseRefusal.

    It is refused, too, where a changelog lacks a locale.
    """
    with refusing(ReleaseRefusal):
        planned = promotion.plan_promotion(order, current, expires)
        listed = decode_releases(planned.planned)
    for path in planned.paths:
        check_locales(listed[path].changelog, order.required_locales)
    return planned
