"""What every builder's result must hold, by the rules that signer and server check packs with."""

from server.core.content.part import encode_part, join_parts, split_entries
from server.core.content.role import check_entries


def check_pack(kind, entries, hosts=()) -> int:
    """Check a pack whole, part by part and back; return how many bytes its parts have."""
    check_entries(kind, entries, hosts)
    parts = [
        encode_part(kind, number, part) for number, part in enumerate(split_entries(kind, entries))
    ]
    assert join_parts(kind, parts) == entries
    return sum(map(len, parts))
