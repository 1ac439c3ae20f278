"""What packs are built with may be absent."""

import sys

import pytest

from signer.content.errors import ContentError
from signer.content.extra import load_extra


def test_the_extra_is_loaded() -> None:
    """Where it is installed."""
    assert callable(load_extra().build_entries)


def test_its_absence_is_told(monkeypatch) -> None:
    """With what to install."""
    monkeypatch.delitem(sys.modules, "signer.content.validate", raising=False)
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(
        ContentError, match=r"\(PIL is missing\): install hening with its extra `con"
    ):
        load_extra()
