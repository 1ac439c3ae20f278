"""Checks the log's entries about each role, one by one as they are read.

For each role the newest version and the versions that may still be served are kept. Their number
does not grow with the log.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from server.core.tiles import WIDTH
from server.core.tlog import leaf_hash
from signer.audit.findings import MAX_STORED, AnswerError, Findings, Kind
from signer.audit.log_reader import CompactRange, Entry, Tiles, decode_entry
from signer.audit.published import Head

MAX_VERSIONS = 100_000  # of all roles; a log of only pending versions must not fill the memory


@dataclass(frozen=True, slots=True)
class Place:
    """The index of a version in the log, and its sha256."""

    index: int
    sha256: str


@dataclass(frozen=True, slots=True)
class LateEntry:
    """An entry whose version is neither above the highest earlier one nor among the kept ones."""

    index: int
    entry: Entry
    highest: int
    highest_index: int


@dataclass(slots=True)
class Record:
    """A role's highest logged version, its index, and the places of the versions that are kept."""

    highest: int = 0
    index: int = 0
    places: dict[int, Place] = field(default_factory=dict)


class Ledger:
    """The role versions of the log, starting from the `records` of an earlier audit."""

    def __init__(
        self,
        records: dict[str, Record],
        oldest_kept: Callable[[str], int],
        pinned_root: int,
        findings: Findings,
    ) -> None:
        """Keep the versions of a role from `oldest_kept(role)` on; it is called for each entry.

        A log may begin with root `pinned_root`, the root that the server was set up with.
        """
        self.records = records
        self.late: list[LateEntry] = []
        self._oldest_kept = oldest_kept
        self._pinned_root = pinned_root
        self._findings = findings
        self._count = sum(len(record.places) for record in records.values())
        self._is_overfull = False

    def find(self, role: str, version: int) -> Place | None:
        """Return the place of a version that may be served, or None if it was not logged."""
        record = self.records.get(role)
        return None if record is None else record.places.get(version)

    def versions(self) -> Iterator[tuple[str, int, Place]]:
        """Yield the kept versions, sorted by role and version."""
        for role, record in sorted(self.records.items()):
            for version, place in sorted(record.places.items()):
                yield role, version, place

    def add(self, index: int, entry: Entry) -> None:
        """Add the entry at `index`; a contradiction of earlier entries becomes a finding."""
        if self._is_overfull:
            return
        record = self.records.setdefault(entry.role, Record())
        self._judge(index, entry, record)
        if entry.version > record.highest:
            record.highest, record.index = entry.version, index
        oldest = self._oldest_kept(entry.role)
        if entry.version >= oldest and entry.version not in record.places:
            record.places[entry.version] = Place(index, entry.sha256)
            self._count += 1
        self._is_overfull = self._count > MAX_VERSIONS or len(self.records) > MAX_VERSIONS
        if self._is_overfull:
            self._findings.add(
                Kind.LOG,
                f"The log holds more than {MAX_VERSIONS} versions that were never published;"
                " its entries are not judged from there on.",
                index=index,
            )

    def _judge(self, index: int, entry: Entry, record: Record) -> None:
        earlier = record.places.get(entry.version)
        if earlier is not None and earlier.sha256 != entry.sha256:
            _report_two_files(earlier, index, entry, self._findings)
        elif earlier is not None:
            self._findings.add(
                Kind.ORDER,
                f"The log has {entry.role} {entry.version} twice: entries {earlier.index} and"
                f" {index}.",
                role=entry.role,
                version=entry.version,
                indices=[earlier.index, index],
                sha256=entry.sha256,
            )
        elif entry.version <= record.highest:
            if len(self.late) < MAX_STORED:
                self.late.append(LateEntry(index, entry, record.highest, record.index))
        elif not record.highest:
            self._judge_first(index, entry)
        elif entry.version != record.highest + 1:
            self._findings.add(
                Kind.MISSING,
                f"The log skips from {entry.role} {record.highest} to {entry.version}.",
                role=entry.role,
                versions=[record.highest, entry.version],
                indices=[record.index, index],
            )

    def _judge_first(self, index: int, entry: Entry) -> None:
        sound = {1, self._pinned_root} if entry.role == "root" else {1}
        if entry.version in sound:
            return
        missed = "it is not the pinned one, and 1" if entry.role == "root" else "1"
        self._findings.add(
            Kind.MISSING,
            f"The log begins {entry.role} with version {entry.version}, at entry {index};"
            f" {missed} comes first.",
            role=entry.role,
            versions=[0, entry.version],
            indices=[index],
        )


def check_late_entries(
    tiles: Tiles, newest: Head, late: Sequence[LateEntry], findings: Findings
) -> None:
    """Add a finding for each of `late`: equivocation if an earlier entry has another sha256.

    Otherwise the finding is about the order of versions.
    """
    if not late:
        return
    versions = {(each.entry.role, each.entry.version) for each in late}
    places: dict[tuple[str, int], Place] = {}
    with findings.catching(Kind.LOG):
        first: dict[tuple[str, int], Place] = {}
        for index, entry in read_whole_log(tiles, newest, lambda _done, _total: None):
            if (entry.role, entry.version) in versions:
                first.setdefault((entry.role, entry.version), Place(index, entry.sha256))
        places = first  # only after the end of the log has matched its root
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
            _report_two_files(earlier, each.index, entry, findings)


def _report_two_files(earlier: Place, index: int, entry: Entry, findings: Findings) -> None:
    findings.add(
        Kind.EQUIVOCATION,
        f"The log has two files for {entry.role} {entry.version}: entries {earlier.index} and"
        f" {index}.",
        role=entry.role,
        version=entry.version,
        indices=[earlier.index, index],
        sha256=[earlier.sha256, entry.sha256],
    )


def read_whole_log(
    tiles: Tiles, newest: Head, progress: Callable[[int, int], None]
) -> Iterator[tuple[int, Entry]]:
    """Yield every entry of the tree of `newest` with its index, except malformed ones.

    Raises AnswerError at the end if the entries belong to another tree; the caller must then
    discard them.
    """
    tree = CompactRange()
    while tree.size < newest.size:
        for leaf in tiles.leaves(tree.size // WIDTH):
            with suppress(AnswerError):
                entry = decode_entry(leaf)
                yield tree.size, entry
            tree.append(leaf_hash(leaf))
        progress(tree.size, newest.size)
    if tree.root() != newest.root:
        raise AnswerError("The mirror's entries differ from one reading to the next.")
