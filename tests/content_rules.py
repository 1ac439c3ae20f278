"""Checks that every pack builder's result must pass: the rules of the signer and the server."""

from server.core.content.part import encode_part, join_parts, split_entries
from server.core.content.role import check_entries


def check_pack(kind, entries, hosts=()) -> int:
    """Check a pack, encode and decode its parts, and return their size in bytes."""
    check_entries(kind, entries, hosts)
    parts = [
        encode_part(kind, number, part) for number, part in enumerate(split_entries(kind, entries))
    ]
    assert join_parts(kind, parts) == entries
    return sum(map(len, parts))
