import pytest

from signer.ota import transfer_caps as module
from signer.ota.block_ranges import MAX_BLOCKS
from signer.ota.errors import PayloadError
from signer.ota.transfer_caps import TransferCaps

LIST = b"1\n3\nzero 2,0,1\nzero 4,1,2,5,6\n"


@pytest.mark.parametrize(
    ("cap", "least", "fault"),
    [
        ("MAX_LISTS_LENGTH", 2 * len(LIST), "The transfer lists are larger than"),
        ("MAX_COMMANDS", 8, "have more than 8 commands"),
        ("MAX_RANGES", 6, "have more than 6 ranges"),
    ],
)
def test_lists_are_counted_together(
    cap: str, least: int, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two lists that each keep within a cap may be too much for one package; the head counts."""
    monkeypatch.setattr(module, cap, least)
    caps = TransferCaps()
    caps.take(LIST)
    caps.take(LIST)
    with pytest.raises(PayloadError, match=fault):
        caps.take(LIST)


def test_a_package_has_one_count() -> None:
    """Nothing is carried over from one package to the next."""
    for _ in range(3):
        TransferCaps().take(b"\n" * 300_000)


def test_named_blocks_are_counted_over_all_lists() -> None:
    """Many short lists that each name a whole partition cost as much as a long one."""
    caps = TransferCaps()
    for _ in range(4):
        caps.take_blocks(MAX_BLOCKS, "partition system")
    with pytest.raises(PayloadError, match="partition vendor names its blocks too often"):
        caps.take_blocks(1, "partition vendor")
