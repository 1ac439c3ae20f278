"""Packs that have too little."""

import pytest

from signer.content.errors import ContentError
from signer.content.loss import check_has_enough
from tests.signer.content.packs import make


def numbers(count):
    """Return a pack of emergency numbers of so many countries."""
    entries = {f"A{chr(65 + each)}": {"exact": True, "numbers": ["110"]} for each in range(count)}
    return make("emergency", entries)


def test_a_pack_without_entries() -> None:
    """Is refused, also where the loss is accepted."""
    with pytest.raises(ContentError, match="emergency would have no entry; is the source whole"):
        check_has_enough(numbers(0), None)


@pytest.mark.parametrize(("before", "after"), [(10, 8), (5, 4), (3, 3), (1, 2)])
def test_a_fifth_may_go(before, after) -> None:
    """Without a question."""
    check_has_enough(numbers(after), numbers(before))


@pytest.mark.parametrize(("before", "after"), [(10, 7), (4, 3), (2, 1)])
def test_more_than_a_fifth_is_asked_about(before, after) -> None:
    """With how many, which, and the option that accepts it."""
    with pytest.raises(
        ContentError,
        match=rf"lose {before - after} of the {before} .*1 \(.*A.\); .*--accept-loss",
    ):
        check_has_enough(numbers(after), numbers(before))
    check_has_enough(numbers(after), None)


def test_long_lists_of_keys_are_cut() -> None:
    """The difference says the rest."""
    with pytest.raises(ContentError, match=r"lose 19 of the 20 .*AJ, AK, .\)"):
        check_has_enough(numbers(1), numbers(20))
