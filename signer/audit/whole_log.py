"""Reads the whole log again, including what earlier audits have read.

This happens only after a finding, or when an inquiry needs it.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress

from server.core.tiles import WIDTH
from server.core.tlog import leaf_hash
from signer.audit.findings import AnswerError
from signer.audit.log_reader import CompactRange, Entry, Tiles, decode_entry
from signer.audit.published import Head


def read_whole_log(
    tiles: Tiles, newest: Head, progress: Callable[[int, int], None]
) -> Iterator[tuple[int, Entry]]:
    """Yield every entry of the tree of `newest` with its index, except malformed ones.

    Raises AnswerError at the end when the entries were of another tree: discard what was yielded
    then.
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
