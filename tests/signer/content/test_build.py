"""Which builder reads what, and what each of them needs to be told."""

import pytest

from server.core.content.kinds import KINDS
from signer.content.build import build_entries
from signer.content.errors import ContentError
from signer.content.upstream import TITLES, Upstream
from tests.signer.content.sources.test_apn import PROVIDERS, VERSION


def test_every_kind_has_a_title() -> None:
    """For a pack that is built without one."""
    assert TITLES.keys() == KINDS.keys()


@pytest.mark.parametrize("kind", ["ca", "emergency", "zones"])
def test_what_comes_with_the_signer(kind) -> None:
    """Is built without any option, and has entries."""
    assert len(build_entries(kind, Upstream()).entries) > 100


def test_what_has_to_be_told() -> None:
    """Where the source lies, of which version it is, and which years."""
    with pytest.raises(ContentError, match="give one with --source"):
        build_entries("apn", Upstream(version="1"))
    with pytest.raises(ContentError, match="give --source-version"):
        build_entries("apn", Upstream(PROVIDERS))
    with pytest.raises(ContentError, match="give them with --year"):
        build_entries("holidays", Upstream())
    with pytest.raises(ContentError, match="greetings are of some years"):
        build_entries("greetings", Upstream())
    for kind in ("features", "notices", "themes", "wallpapers"):
        with pytest.raises(ContentError, match=f"{kind} has no source that is always there"):
            build_entries(kind, Upstream())
    assert len(build_entries("apn", Upstream(PROVIDERS, VERSION)).entries) > 100


@pytest.mark.parametrize(
    "kind", ["features", "greetings", "notices", "themes", "wallpapers", "zones"]
)
def test_a_file_in_place_of_a_folder(kind, tmp_path) -> None:
    """Is told as that, with what has to be in the folder."""
    path = tmp_path / "file.yaml"
    path.write_text("locale: en")
    with pytest.raises(
        ContentError, match=rf"is a file, and the pack {kind} .* folder, with .* in"
    ):
        build_entries(kind, Upstream(path, "1", [2026]))


@pytest.mark.parametrize("kind", ["apn", "ca"])
def test_a_folder_in_place_of_a_file(kind, tmp_path) -> None:
    """Is told as that."""
    with pytest.raises(
        ContentError, match=f"is a folder, and the pack {kind} is built from a file"
    ):
        build_entries(kind, Upstream(tmp_path, "1"))


@pytest.mark.parametrize("kind", ["emergency", "holidays"])
def test_a_source_that_nobody_reads(kind, tmp_path) -> None:
    """Is not passed over: the pack would not be what somebody takes it for."""
    with pytest.raises(ContentError, match=f"{kind} is built from what comes with the signer"):
        build_entries(kind, Upstream(tmp_path, "", [2026]))
