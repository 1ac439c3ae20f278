"""Counts how often the log's proofs were signed again, so that readers know when theirs are old.

`public/proofs.json` holds a number that is odd while proofs are being signed again, from before the
first of them to after the last. A crash in between leaves it odd: readers then reuse no proof, and
the next run ends it.
"""

from pathlib import Path
from typing import Annotated

import msgspec

from server.core.encodings import MAX_INTEGER, decode_canonical_json, encode_canonical_json
from server.core.errors import FormatError
from server.storage.bounded import read_bounded
from server.storage.tree import Tree

LIMIT = 1024


class _Proofs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    restated: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]


def load_proof_renewals(public: Path) -> int:
    """Return the number, 0 where proofs were never signed again."""
    path = public / "proofs.json"
    if not path.exists():
        return 0
    value = decode_canonical_json(read_bounded(path, LIMIT), limit=LIMIT)
    try:
        return msgspec.convert(value, _Proofs).restated
    except msgspec.ValidationError as error:
        raise FormatError(f"{path.name} is malformed: {error}.") from error


def begin_proof_renewal(tree: Tree) -> None:
    """Make the number odd."""
    number = load_proof_renewals(tree.folder)
    if number % 2 == 0:
        _write(tree, number + 1)


def end_proof_renewal(tree: Tree) -> None:
    """Make the number even, if it is not."""
    number = load_proof_renewals(tree.folder)
    if number % 2:
        _write(tree, number + 1)


def _write(tree: Tree, number: int) -> None:
    data = encode_canonical_json(msgspec.to_builtins(_Proofs(number)))
    tree.replace("proofs.json", data)
