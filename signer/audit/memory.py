"""The memory of an audit: one small file, from which the next audit continues.

It is canonical JSON (docs/FORMATS.md section 1), `{"memory":{…},"schema":1,"sha256":H}`. H is the
sha256 of the canonical JSON of the member `memory`, so that a damaged file is refused. The file is
replaced as a whole: a crash leaves the old or the new one.
"""

import base64
import hashlib
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec

from server.core.encodings import (
    MAX_INTEGER,
    decode_base64,
    decode_canonical_json,
    encode_canonical_json,
)
from server.core.errors import HeningError
from server.core.metadata import verify_first_root
from server.core.names import check_role
from server.core.profile import check_root
from signer.audit.findings import MemoryFileError
from signer.audit.ledger import Ledger, Place, Record
from signer.audit.log_reader import CompactRange
from signer.audit.published import Head, Published, show
from signer.durable import replace_file
from signer.errors import refusing

MAX_MEMORY = 32 * 1024 * 1024

Number = Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$", max_length=64)]


class Logged(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One role version in the log."""

    index: Number
    sha256: Sha256
    version: Number


class RoleMemory(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The known versions of a role; `current` is 0 if none is published yet."""

    current: Number
    highest: Number
    index: Number
    kept: list[Logged]


class SignedHead(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A signed checkpoint that was checked against the log: size and root hash."""

    root: Sha256
    size: Number


class Pending(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A logged version that was not published, and the time of the audit that saw it first."""

    role: str
    since: Number
    version: Number


class Memory(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The log as it was when an audit found nothing wrong.

    `checkpoint` is the signed note; `hashes` are the perfect subtrees of its tree (see
    `CompactRange`); `root` is the newest root's bytes in base64, `pinned` the sha256 of the root
    that the first audit started from. `proven` are the checkpoints stapled to current versions.
    """

    checkpoint: str
    delegated: list[str]
    hashes: list[Sha256]
    pending: list[Pending]
    pinned: Sha256
    proven: list[SignedHead]
    roles: dict[str, RoleMemory]
    root: str
    size: Number
    time: Number

    @property
    def root_bytes(self) -> bytes:
        """The signed bytes of the newest root."""
        return decode_base64(self.root)

    @property
    def tree(self) -> CompactRange:
        """The tree of the checkpoint, to which further leaves can be appended."""
        return CompactRange(self.size, [bytes.fromhex(each) for each in self.hashes])


def begin_memory(root: bytes) -> Memory:
    """Return the memory that a first audit starts from; `root` is the trusted root's bytes.

    Raises MemoryFileError when they are not a valid root.
    """
    with refusing(MemoryFileError):
        check_root(verify_first_root(root).signed)
    return Memory(
        checkpoint="",
        delegated=[],
        hashes=[],
        pending=[],
        pinned=hashlib.sha256(root).hexdigest(),
        proven=[],
        roles={},
        root=base64.b64encode(root).decode(),
        size=0,
        time=0,
    )


def encode_memory(memory: Memory) -> bytes:
    """Return the bytes of the file; raises MemoryFileError if they exceed the limit."""
    value = msgspec.to_builtins(memory)
    seal = hashlib.sha256(encode_canonical_json(value)).hexdigest()
    data = encode_canonical_json({"memory": value, "schema": 1, "sha256": seal})
    if len(data) > MAX_MEMORY:
        raise MemoryFileError(f"The memory of this audit would have over {MAX_MEMORY} bytes.")
    return data


def decode_memory(data: bytes) -> Memory:
    """Decode the file; raises MemoryFileError if it is damaged or contradicts itself."""
    try:
        value: Any = decode_canonical_json(data, limit=MAX_MEMORY)
        if not isinstance(value, dict) or set(value) != {"memory", "schema", "sha256"}:
            raise _refusal("it is not the memory of an audit")
        if type(value["schema"]) is not int or value["schema"] != 1:
            raise _refusal(f"its schema is {str(value['schema'])[:32]}, not 1")
        seal = hashlib.sha256(encode_canonical_json(value["memory"])).hexdigest()
        if value["sha256"] != seal:
            raise _refusal("it was changed since it was written")
        memory = msgspec.convert(value["memory"], Memory)
        _check(memory)
    except (HeningError, msgspec.ValidationError) as error:
        raise _refusal(str(error).rstrip(".")) from error
    return memory


def load_memory(path: Path) -> Memory | None:
    """Read the memory of the last audit; returns None if there is no file yet."""
    try:
        with path.open("rb") as file:
            return decode_memory(file.read(MAX_MEMORY + 1))
    except FileNotFoundError:
        return None


def store_memory(path: Path, memory: Memory) -> None:
    """Replace the file; a crash leaves the old one or the new one, whole and on disk."""
    replace_file(path, encode_memory(memory))


def _check(memory: Memory) -> None:
    """Raise MemoryFileError or a HeningError unless the parts of a memory are consistent."""
    if len(memory.hashes) != memory.size.bit_count():
        raise _refusal("its hashes are not those of a tree of its size")
    root = base64.b64encode(memory.tree.root()).decode()
    if memory.checkpoint.split("\n")[1:3] != [str(memory.size), root]:
        raise _refusal("its checkpoint does not match its tree")
    check_root(verify_first_root(memory.root_bytes).signed)
    for name, role in memory.roles.items():
        check_role(name)
        if any(entry.index >= memory.size for entry in role.kept):
            raise _refusal(f"it has entries of {name} that its log does not have")


def _refusal(reason: str) -> MemoryFileError:
    return MemoryFileError(
        f"The memory file cannot be used: {reason}. Restore it from a copy, or start again with"
        " another file."
    )


def load_records(memory: Memory) -> dict[str, Record]:
    """Return the records that the ledger starts from."""
    return {
        role: Record(
            highest=known.highest,
            index=known.index,
            places={each.version: Place(each.index, each.sha256) for each in known.kept},
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
                for version, place in sorted(record.places.items())
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
        root=base64.b64encode(published.root_bytes).decode(),
        size=newest.size,
        time=int(now.timestamp()),
    )
