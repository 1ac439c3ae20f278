"""What is in the way of a quickstart, and what an interrupted one was to make."""

import shutil
from dataclasses import replace

import pytest

from signer.errors import CeremonyError
from signer.quickstart.layout import Layout, check_free, load_unfinished, record_begin


@pytest.fixture
def layout(tmp_path):
    """Give folders of which none is there."""
    return Layout(tmp_path / "rom", tmp_path / "second", "armani")


def test_nothing_is_made_over_what_is_there(layout, tmp_path):
    """Keys least of all; a link counts that leads nowhere. The second root key lies elsewhere."""
    with pytest.raises(CeremonyError, match="would be lost with it"):
        check_free(replace(layout, second=layout.out / "second"), None)
    for name in ("rom/keys/root-1.key", "rom/keys/root-1.pub", "second/root-2.pub"):
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.write_text("")
        said = f"^{path.parent} is not empty.*nothing was changed"
        with pytest.raises(CeremonyError, match=said):
            check_free(layout, None)
        shutil.rmtree(path.parent)
    for name in ("hening.toml", "repo", "server"):
        (layout.out / name).symlink_to("nowhere")
        with pytest.raises(CeremonyError, match=f"{layout.out / name} already exists"):
            check_free(layout, None)
        (layout.out / name).unlink()


def test_an_interrupted_one_is_known(layout):
    """By what it was to make; one that never began, by nothing."""
    assert load_unfinished(layout.out) is None
    record_begin(layout)
    assert load_unfinished(layout.out) == layout
    check_free(layout, load_unfinished(layout.out))


def test_another_one_is_not_mixed_into_an_interrupted_one(layout):
    """The sentence names what to complete or to remove."""
    record_begin(layout)
    for other in (replace(layout, model="dior"), replace(layout, second=layout.second / "x")):
        with pytest.raises(CeremonyError, match=f"unfinished.*armani.*remove.*{layout.second}"):
            check_free(other, load_unfinished(layout.out))


def test_a_damaged_record_is_named(layout):
    """With what to do."""
    record_begin(layout)
    for text in ("", "[]", "{}", '{"second": 1, "model": "armani"}'):
        (layout.unfinished / "quickstart.json").write_text(text)
        with pytest.raises(CeremonyError, match="damaged; remove"):
            load_unfinished(layout.out)
