"""What becomes of the pointers when the offline keys take something back.

A withdrawal, a retirement and the leaving of old builds are decided offline and win over what the
online key wanted. Pure: pointers and trust in, pointers out.
"""

from collections.abc import Collection, Mapping

import msgspec

from server.core.floor import decode_floor
from server.core.names import Channel, decode_pointer_path
from server.core.pointer import Pointer
from server.core.release import Release, decode_releases
from server.publisher.errors import PublishError
from server.publisher.published import Trust
from server.publisher.rollout import plan_halt

WITHDRAWN = {"en": "This release was withdrawn."}


def follow_roles(
    pointers: Mapping[str, Pointer], trust: Trust, changed: Collection[str]
) -> dict[str, Pointer]:
    """Return the pointers as `trust` allows them to stand; only those of `changed` roles may move.

    A step's incremental that is withdrawn leaves the step, and phones take the full package; a full
    package that is withdrawn halts the pointer. An empty role and builds that left a role end the
    pointers that were halted before or belong to a retired model, and a reset of root ends those to
    builds that it took out; raises PublishError when another pointer still offers what its role no
    longer lists.
    """
    releases = {
        codename: decode_releases(trust.roles[codename])
        for codename in {decode_pointer_path(path).codename for path in pointers}
        if codename in changed
    }
    followed = {}
    for path, pointer in pointers.items():
        channel = decode_pointer_path(path)
        if channel.codename not in changed:
            followed[path] = pointer
            continue
        listed = releases[channel.codename]
        floor = decode_floor(trust.roles[channel.codename]).counter
        if listed and not _is_over(channel, pointer, listed, floor):
            followed[path] = _follow_withdrawal(channel, pointer, listed)
    return followed


def _is_over(channel: Channel, pointer: Pointer, listed: Mapping[str, Release], floor: int) -> bool:
    """Answer whether the whole pointer is about builds that left, and nobody is offered them."""
    offered = [package.path for step in pointer.steps for package in step.packages]
    gone = [path for path in offered if path not in listed]
    if not gone:
        return False
    if pointer.halted and len(gone) == len(offered):
        return True
    # Above the floor a build leaves by a reset alone.
    if any(step.counter >= floor and step.packages[0].path in gone for step in pointer.steps):
        return True
    raise PublishError(
        f"{channel} still offers {gone[0]}, which {channel.codename} no longer lists: roll out a"
        " newer build there first."
    )


def _follow_withdrawal(
    channel: Channel, pointer: Pointer, listed: Mapping[str, Release]
) -> Pointer:
    if pointer.halted:
        return pointer
    if any(listed[step.packages[0].path].withdrawn for step in pointer.steps):
        return plan_halt(channel, pointer, WITHDRAWN)
    steps = [
        msgspec.structs.replace(
            step, packages=[each for each in step.packages if not listed[each.path].withdrawn]
        )
        for step in pointer.steps
    ]
    return msgspec.structs.replace(pointer, steps=steps)
