"""From one audit to the next: what is remembered of a log in which nothing was wrong."""

import base64
from datetime import datetime

from signer.audit.compact_range import CompactRange
from signer.audit.heads import Head, show
from signer.audit.ledger import Ledger, Place, Record
from signer.audit.memory import Logged, Memory, Pending, RoleMemory, SignedHead
from signer.audit.published import Published


def load_records(memory: Memory) -> dict[str, Record]:
    """Return what the ledger starts from."""
    return {
        role: Record(
            highest=known.highest,
            index=known.index,
            kept={each.version: Place(each.index, each.sha256) for each in known.kept},
        )
        for role, known in memory.roles.items()
    }


def advance_memory(
    memory: Memory,
    newest: Head,
    tree: CompactRange,
    published: Published,
    ledger: Ledger,
    stapled: list[Head],
    pending: list[Pending],
    now: datetime,
) -> Memory:
    """Return the memory after an audit that ended at `newest`, whose tree is `tree`."""
    proven = {(head.size, head.root.hex()) for head in stapled}
    roles = {
        role: RoleMemory(
            current=published.current.get(role, 0),
            highest=record.highest,
            index=record.index,
            kept=[
                Logged(index=place.index, sha256=place.sha256, version=version)
                for version, place in sorted(record.kept.items())
                if version >= published.oldest_served(role)
            ],
        )
        for role, record in ledger.records.items()
    }
    return Memory(
        checkpoint=show(newest),
        delegated=sorted(published.delegated | set(memory.delegated)),
        hashes=[each.hex() for each in tree.hashes],
        pending=pending,
        pinned=memory.pinned,
        proven=[SignedHead(size=size, root=root) for size, root in sorted(proven)],
        roles=roles,
        root=base64.b64encode(published.root_octets).decode(),
        size=newest.size,
        time=int(now.timestamp()),
    )
