"""Takes builds out of a role, up to a floor that it remembers; a retired model's role is empty.

Source: docs/FORMATS.md section 3.
"""

from collections.abc import Collection
from datetime import datetime

from tuf.api.metadata import Targets

from server.core.encodings import MAX_INTEGER
from server.core.errors import ReleaseError
from server.core.floor import Floor, decode_floor
from server.core.release import decode_releases
from server.core.role_edit import next_role


def plan_retirement(codename: str, current: Targets, expires: datetime) -> Targets:
    """Return the role without any release; a release with a higher counter may follow one day.

    The result equals `current` but for version and expiry when the model is retired already.
    """
    releases, before = decode_releases(current), decode_floor(current)
    highest = max((release.counter for release in releases.values()), default=0)
    floor = max(highest + 1, before.counter)
    if floor > MAX_INTEGER:
        raise ReleaseError(
            f"{codename} cannot be retired, because no counter is left above {highest}; withdraw"
            " its builds instead."
        )
    return without(codename, tuple(releases), floor, current, expires)


def without(
    codename: str, gone: Collection[str], floor: int, current: Targets, expires: datetime
) -> Targets:
    """Return the role without the paths `gone`, remembering that builds below `floor` have left."""
    before, releases = decode_floor(current), decode_releases(current)
    time = max([before.time, *(releases[path].post_timestamp for path in gone)])
    targets = {path: each for path, each in current.targets.items() if path not in gone}
    after = Floor(schema=1, counter=floor, time=time)
    changed = None if after == before else after
    return next_role(codename, current, targets, expires, changed)
