"""The rules of a pointer for a build, checked before the build is signed.

Source: docs/FORMATS.md section 4.
"""

from collections.abc import Mapping

from server.core.errors import ReleaseError
from server.core.names import Channel, decode_release_path
from server.core.pointer import MAX_INCREMENTALS, find_upgrade_path, offered_in
from server.core.release import Release


def choose_min_counter(
    channel: Channel,
    wanted: int | None,
    counter: int,
    releases: Mapping[str, Release],
    default: int = 0,
) -> int:
    """Return the stepping stone of a build in `channel`: its present one there, or `default`.

    Raises ReleaseError when a different one is requested, and for one that is not below `counter`.
    """
    if wanted is not None and wanted >= counter:
        raise ReleaseError(
            f"a phone with counter {wanted} or more needs no build of counter {counter}:"
            f" min_counter is not below counter; give less than {counter}."
        )
    # A pointer's step has one stepping stone for all packages of a build (FORMATS.md section 4).
    same_step = [
        release.min_counter
        for path, release in releases.items()
        if release.counter == counter and decode_release_path(path)[0] == channel
    ]
    if wanted is None:
        return same_step[0] if same_step else default
    if same_step and same_step[0] != wanted:
        raise ReleaseError(
            f"this build's packages in {channel} have min_counter {same_step[0]},"
            " and all must have the same; leave min_counter away."
        )
    return wanted


def check_full(channel: Channel, counter: int, planned: Mapping[str, Release]) -> None:
    """Raise ReleaseError unless the build has one full package in the channel.

    A pointer to it needs one, for phones without a matching incremental. A withdrawn build needs
    none.
    """
    build = {
        path: release
        for path, release in planned.items()
        if release.counter == counter and decode_release_path(path)[0] == channel
    }
    if build and all(release.withdrawn for release in build.values()):
        return
    fulls = [path for path, each in build.items() if each.type == "full" and not each.withdrawn]
    if not fulls:
        raise ReleaseError(
            f"this build has no full package in {channel}, which phones need that no incremental"
            " starts from; name the full package, too."
        )
    if len(fulls) > 1:
        raise ReleaseError(
            f"this build has {len(fulls)} full packages in {channel}, {' and '.join(fulls)}, and"
            " one is offered; give the full package the file name that is listed."
        )


def check_incrementals(channel: Channel, counter: int, planned: Mapping[str, Release]) -> None:
    """Raise ReleaseError when the build has more incrementals than a pointer's step can hold."""
    count = sum(
        release.counter == counter and release.type == "incremental"
        for release in offered_in(channel, planned).values()
    )
    if count > MAX_INCREMENTALS:
        raise ReleaseError(
            f"this build has {count} incrementals in {channel}, and {MAX_INCREMENTALS} can be"
            " offered; leave away those that the fewest phones need."
        )


def check_upgrade_path(channel: Channel, counter: int, planned: Mapping[str, Release]) -> None:
    """Raise ReleaseError when a build with a stepping stone cannot be reached in the channel.

    `check_full` checks whether it has a full package at all.
    """
    offered = offered_in(channel, planned).values()
    if any(release.counter == counter and release.type == "full" for release in offered):
        find_upgrade_path(channel, counter, planned)
