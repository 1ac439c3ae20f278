"""Reads the whole log once more, whatever a memory has seen of it.

Nobody waits for that as long as nothing is wrong and nobody asks for it.
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
    """Yield every entry of the tree of `newest` with its index, but for those that are malformed.

    Raises AnswerError at the end when it was another tree: what was yielded is worth nothing then.
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
