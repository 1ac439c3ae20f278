"""Rotation of the online keys. Before the switch, the signers list the next key.

    make_next_keys    makes next keys and their public halves; the log's next key then signs
    (the signers)     list the next key in root or targets: beside the former one, or alone after a
                      theft
    switch_keys       makes next keys the current ones and removes what they replace

After a crash some key files are made or renamed; repeating the call completes the rest.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

from server.core.errors import TrustError
from server.publisher.errors import PublishError
from server.publisher.keys.choice import (
    check_signable,
    discard_next,
    plan_next,
    plan_switch,
    promote_next,
)
from server.publisher.keys.holder import open_keys
from server.publisher.keys.online_keys import KeyChange, OnlineKeys
from server.publisher.plan import newest_signature
from server.publisher.published import Published
from server.publisher.publisher import Publisher
from server.storage.layout import StateFolder
from server.storage.tree import root_time


@dataclass(frozen=True, slots=True)
class NextKeys:
    """The result of `make_next_keys`.

    `existing` are the names whose next key existed before. `unsigned` says why the log is not
    signed with its next key yet; it is empty if it is, or if none was requested.
    """

    existing: list[str]
    unsigned: str


async def make_next_keys(
    publisher: Publisher, folder: StateFolder, names: Collection[str], *, afresh: bool = False
) -> NextKeys:
    """Make the missing next keys of `names`, roles or `log`; `afresh` replaces existing ones.

    Raises PublishError, and changes nothing, if a next key signs already and has to become the
    current one first. If the published state cannot be signed any more, next keys are made
    nevertheless: only new keys can repair that. The log is then signed with the next root.
    """
    result = NextKeys([], "")

    def plan(keys: OnlineKeys, published: Published | None, now: datetime) -> KeyChange:
        nonlocal result
        existing = plan_next(keys, published, names, afresh=afresh)
        planned = discard_next(keys, names) if afresh else keys
        unsigned = "" if "log" not in names else _why_unsigned(planned, published, now)
        result = NextKeys(existing, unsigned)
        return KeyChange(
            planned,
            lambda: open_keys(folder).create_next(names, afresh=afresh),
            renew="timestamp" if "log" in names and not unsigned else "",
        )

    await publisher.rotate(plan)
    return result


async def switch_keys(
    publisher: Publisher,
    folder: StateFolder,
    names: Collection[str],
    clock: Callable[[], datetime],
    *,
    at_once: bool = False,
) -> list[str]:
    """Make the next keys of `names` the current ones, sign with them, and return the names.

    Roles without a next key are signed again with the current one. `at_once` does not wait until
    the root that lists the next keys has reached every cache. Raises PublishError or TrustError,
    and changes nothing, if a next key may not take over yet or could not sign.
    """
    switched: list[str] = []

    def plan(keys: OnlineKeys, published: Published | None, _now: datetime) -> KeyChange:
        if published is None:
            raise PublishError("nothing is published yet: submit the ceremony's bundle first.")
        age = clock().timestamp() - root_time(folder.public)
        switched.extend(plan_switch(keys, published, names, age, at_once=at_once))
        return KeyChange(
            promote_next(keys, switched), lambda: open_keys(folder).promote(switched), renew="all"
        )

    await publisher.rotate(plan)
    return switched


def _why_unsigned(keys: OnlineKeys, published: Published | None, now: datetime) -> str:
    try:
        if published is not None:
            check_signable(keys, published, max(now, newest_signature(published)))
    except TrustError as error:
        return str(error)
    return ""
