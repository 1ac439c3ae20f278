"""Conflicts with existing files, and the record of an interrupted quickstart."""

import shutil
from dataclasses import replace

import pytest

from signer.errors import CeremonyError
from signer.quickstart.layout import Layout, check_free, load_unfinished, record_begin


@pytest.fixture
def layout(tmp_path):
    """Return folders that do not exist yet."""
    return Layout(tmp_path / "rom", tmp_path / "second", "armani")


def test_existing_files_are_refused(layout, tmp_path):
    """Keys, links and other files are refused; the second root key must be elsewhere."""
    with pytest.raises(CeremonyError, match="would be lost with it"):
        check_free(replace(layout, second=layout.out / "second"), None)
    for name in ("rom/keys/root-1.key", "rom/keys/root-1.pub", "second/root-2.pub"):
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.write_text("")
        message = f"^{path.parent} is not empty.*nothing was changed"
        with pytest.raises(CeremonyError, match=message):
            check_free(layout, None)
        shutil.rmtree(path.parent)
    for name in ("hening.toml", "repo", "server"):
        (layout.out / name).symlink_to("nowhere")
        with pytest.raises(CeremonyError, match=f"{layout.out / name} already exists"):
            check_free(layout, None)
        (layout.out / name).unlink()


def test_interrupted_quickstart_is_recorded(layout):
    """The record has its layout, and a new quickstart has no record."""
    assert load_unfinished(layout.out) is None
    record_begin(layout)
    assert load_unfinished(layout.out) == layout
    check_free(layout, load_unfinished(layout.out))


def test_other_quickstart_is_refused(layout):
    """The message names what to complete or to remove."""
    record_begin(layout)
    for other in (replace(layout, model="dior"), replace(layout, second=layout.second / "x")):
        with pytest.raises(CeremonyError, match=f"unfinished.*armani.*remove.*{layout.second}"):
            check_free(other, load_unfinished(layout.out))


def test_damaged_record_is_refused(layout):
    """The message says what to do."""
    record_begin(layout)
    for text in ("", "[]", "{}", '{"second": 1, "model": "armani"}'):
        (layout.unfinished / "quickstart.json").write_text(text)
        with pytest.raises(CeremonyError, match="damaged; remove"):
            load_unfinished(layout.out)
