"""A team's queries of the whole log: the entries of its roles, and whether the team signed them.

The working folder has every version that the team signed. A version of an offline role that is only
in the log was signed elsewhere with the same keys, or is not a valid file of the role.
"""

import hashlib
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from server.core.names import is_online
from signer.audit.findings import Findings, Kind
from signer.audit.ledger import read_whole_log
from signer.audit.log_reader import Entry, Tiles
from signer.audit.published import Head
from signer.work_folder import WorkFolder

MAX_LISTED = 10_000


@dataclass(slots=True)
class Inquiry:
    """A `folder` to compare with and `roles` to list, and the log's answers.

    `listed` has the newest entries of the roles, with their indices, and `found` is the number of
    all their entries. `unlogged` has the versions of the folder that the log lacks. `compared` is
    the number of versions in the folder.
    """

    folder: WorkFolder | None = None
    roles: Collection[str] = ()
    listed: list[tuple[int, Entry]] = field(default_factory=list)
    found: int = 0
    unlogged: list[tuple[str, int]] = field(default_factory=list)
    compared: int = 0

    def answer(
        self,
        tiles: Tiles,
        newest: Head,
        findings: Findings,
        progress: Callable[[int, int], None],
    ) -> None:
        """Read the log of `newest`, and add a finding for each version that the team never signed.

        The folder is read after the checkpoint, so that a version that the team submits meanwhile
        is in both, or only in the folder. Raises the errors of the folder.
        """
        if self.folder is None and not self.roles:
            return
        signed = {} if self.folder is None else _load_signed(self.folder)
        unlogged = set(signed)
        listed: deque[tuple[int, Entry]] = deque(maxlen=MAX_LISTED)
        found = 0
        foreign = Findings()
        with findings.catching(Kind.LOG):
            for index, entry in read_whole_log(tiles, newest, progress):
                if entry.role in self.roles:
                    found += 1
                    listed.append((index, entry))
                unlogged.discard((entry.role, entry.version))
                if self.folder is not None and not is_online(entry.role):
                    _compare(index, entry, signed, foreign)
            # Only at the end of the log is it known that these entries are those of the signed log.
            findings.extend(foreign)
            self.listed, self.found = list(listed), found
            self.unlogged, self.compared = sorted(unlogged), len(signed)


def _load_signed(folder: WorkFolder) -> dict[tuple[str, int], str]:
    """Return the sha256 of each version in the folder."""
    return {
        (role, version): hashlib.sha256(folder.load(role, version)).hexdigest()
        for role, versions in folder.load_versions().items()
        for version in versions
    }


def _compare(
    index: int, entry: Entry, signed: dict[tuple[str, int], str], foreign: Findings
) -> None:
    signed_hash = signed.get((entry.role, entry.version))
    name = f"Entry {index} is {entry.role} {entry.version}"
    if signed_hash is None:
        text = f"{name}, which the working folder does not have: it was made elsewhere."
    elif signed_hash != entry.sha256:
        text = f"{name} with other bytes than the working folder has: they were made elsewhere."
    else:
        return
    foreign.add(
        Kind.FOREIGN,
        text,
        role=entry.role,
        version=entry.version,
        index=index,
        logged=entry.sha256,
        **({} if signed_hash is None else {"signed": signed_hash}),
    )
