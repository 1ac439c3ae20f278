"""Removal of role files that nobody is answered with any more.

Of each role the current version and the `SUPERSEDED` before it are served, and auditors are
promised no others. What is older is removed an hour after it left that window: a device node that
looks at its folder less often than it should, or one that is just loading, still finds its files.
Roots, by which phones follow from one to the next, and the log with all tiles and proofs stay.
"""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

from server.core.names import metadata_name
from server.device.snapshot import SUPERSEDED

GRACE = timedelta(hours=1)
_NAME = re.compile(r"([1-9][0-9]{0,15})\.([a-z0-9][a-z0-9_-]{0,31})\.json")


def plan_drain(
    written: Mapping[str, datetime], current: Mapping[str, int], now: datetime
) -> list[str]:
    """Return the names of the files to remove, of those in `metadata/`.

    `written` gives for each name when it was written, `current` the version of each role that is
    public, snapshot included. A file left the window when the version that pushed it out was
    written; versions that were passed over push nothing. A role that is not listed is left alone.
    """
    versions: dict[str, list[int]] = {}
    for name in written:
        match = _NAME.fullmatch(name)
        if match is not None and match[2] in current and match[2] != "root":
            versions.setdefault(match[2], []).append(int(match[1]))
    old = []
    for role, found in versions.items():
        served = range(max(1, current[role] - SUPERSEDED), current[role] + 1)
        for version in sorted(found):
            if version >= served.start:
                continue
            pushed_out = [
                written[metadata_name(role, later)]
                for later in found
                if version + SUPERSEDED < later <= current[role]
            ]
            if pushed_out and now - min(pushed_out) >= GRACE:
                old.append(metadata_name(role, version))
    return sorted(old)


def find_drained(public: Path, current: Mapping[str, int], now: datetime) -> list[Path]:
    """Return the files to remove, as `plan_drain` says.

    A crash leaves some of them, which the next run removes: nothing refers to any.
    """
    folder = public / "metadata"
    written = {
        path.name: datetime.fromtimestamp(path.lstat().st_mtime, now.tzinfo)
        for path in folder.iterdir()
        if _NAME.fullmatch(path.name)
    }
    return [folder / name for name in plan_drain(written, current, now)]
