"""What is in the way of a quickstart, and what an interrupted one was to make."""

from dataclasses import replace

import pytest

from signer.errors import CeremonyError
from signer.quickstart.layout import Layout, check_free, load_unfinished, record_begin


@pytest.fixture
def layout(tmp_path):
    """Give folders of which none is there."""
    return Layout(tmp_path / "rom", tmp_path / "second", "armani")


@pytest.mark.parametrize(
    "name", ["rom/keys/root-1.key", "rom/keys/root-1.pub", "second/root-2.pub"]
)
def test_keys_are_never_made_over_others(layout, tmp_path, name):
    """Neither of the person nor of root; the sentence says which folder."""
    path = tmp_path / name
    path.parent.mkdir(parents=True)
    path.write_text("")
    with pytest.raises(CeremonyError, match=f"^{path.parent} is not empty.*nothing was changed"):
        check_free(layout, None)


@pytest.mark.parametrize("name", ["hening.toml", "repo", "server"])
def test_nothing_else_is_written_over(layout, name):
    """Also not a link that leads nowhere."""
    layout.out.mkdir()
    (layout.out / name).symlink_to("nowhere")
    with pytest.raises(CeremonyError, match=f"{layout.out / name} is there already"):
        check_free(layout, None)


def test_the_second_root_key_is_not_beside_the_first(layout):
    """One lost folder would be the end of both."""
    with pytest.raises(CeremonyError, match="would be lost with it"):
        check_free(replace(layout, second=layout.out / "second"), None)


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


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"second": 1, "model": "armani"}'])
def test_a_damaged_record_is_named(layout, text):
    """With what to do."""
    record_begin(layout)
    (layout.unfinished / "quickstart.json").write_text(text)
    with pytest.raises(CeremonyError, match="damaged; remove"):
        load_unfinished(layout.out)
