"""A second reading of the log, for what a version that comes late has been before.

Only the versions that may still be served are kept while the log is read. When an older one comes
up again, the whole log is read once more.
"""

from collections.abc import Sequence

from signer.audit.findings import Findings, Kind
from signer.audit.heads import Head
from signer.audit.ledger import Late, Place
from signer.audit.tiles import Tiles
from signer.audit.whole_log import read_whole_log


def judge_late(tiles: Tiles, newest: Head, late: Sequence[Late], findings: Findings) -> None:
    """Note each of `late`: as equivocation where an earlier entry has another sha256."""
    if not late:
        return
    places: dict[tuple[str, int], Place] = {}
    with findings.catching(Kind.LOG):
        places = _find_first(
            tiles, newest, {(each.entry.role, each.entry.version) for each in late}
        )
    for each in late:
        entry = each.entry
        earlier = places.get((entry.role, entry.version))
        if earlier is None or earlier.index >= each.index or earlier.sha256 == entry.sha256:
            findings.add(
                Kind.ORDER,
                f"Entry {each.index} is {entry.role} {entry.version}, after version"
                f" {each.highest} at entry {each.highest_index}.",
                role=entry.role,
                version=entry.version,
                indices=[each.highest_index, each.index],
                sha256=entry.sha256,
            )
        else:
            findings.add(
                Kind.EQUIVOCATION,
                f"The log has two files for {entry.role} {entry.version}: entries"
                f" {earlier.index} and {each.index}.",
                role=entry.role,
                version=entry.version,
                indices=[earlier.index, each.index],
                sha256=[earlier.sha256, entry.sha256],
            )


def _find_first(
    tiles: Tiles, newest: Head, wanted: set[tuple[str, int]]
) -> dict[tuple[str, int], Place]:
    """Return the first entry of each of `wanted`, read from the very tree of `newest`."""
    places: dict[tuple[str, int], Place] = {}
    for index, entry in read_whole_log(tiles, newest, lambda _done, _total: None):
        key = entry.role, entry.version
        if key in wanted:
            places.setdefault(key, Place(index, entry.sha256))
    return places
