"""Which builder reads what, and what each of them needs to be told."""

import sys
from pathlib import Path

import certifi
import pytest

from server.core.content.kinds import KINDS
from signer.content.build import build_entries
from signer.content.upstream import TITLES, Upstream, list_refused, load_extra
from signer.errors import ContentError
from tests.cases import case
from tests.signer.content.sources.test_apn import PROVIDERS, VERSION


def test_every_kind_has_a_title() -> None:
    """For a pack that is built without one."""
    assert TITLES.keys() == KINDS.keys()


@pytest.mark.needs("mobile-broadband")
def test_what_has_to_be_told() -> None:
    """Where the source lies, of which version it is, and which years."""
    with pytest.raises(ContentError, match="give one with --source"):
        build_entries("apn", Upstream(version="1"))
    with pytest.raises(ContentError, match="its version; give it with --source-version"):
        build_entries("apn", Upstream(PROVIDERS))
    with pytest.raises(ContentError, match="give them with --year"):
        build_entries("holidays", Upstream())
    with pytest.raises(ContentError, match="greetings need years"):
        build_entries("greetings", Upstream())
    for kind in ("features", "notices", "themes", "wallpapers"):
        with pytest.raises(ContentError, match=f"{kind} has no built-in source"):
            build_entries(kind, Upstream())
    assert len(build_entries("apn", Upstream(PROVIDERS, VERSION)).entries) > 100


def test_a_file_in_place_of_a_folder(tmp_path) -> None:
    """And the other way round: each is told as that, with what has to be in the folder."""
    path = tmp_path / "file.yaml"
    path.write_text("locale: en")
    for kind in ("features", "greetings", "notices", "themes", "wallpapers", "zones"):
        said = rf"is a file, and the pack {kind} .* folder, with .* in"
        with case(kind), pytest.raises(ContentError, match=said):
            build_entries(kind, Upstream(path, "1", years=[2026]))
    for kind in ("apn", "ca"):
        said = f"is a folder, and the pack {kind} is built from a file"
        with case(kind), pytest.raises(ContentError, match=said):
            build_entries(kind, Upstream(tmp_path, "1"))


def test_options_that_a_kind_does_not_take() -> None:
    """Are not passed over: the pack would not be what somebody takes it for."""
    for kind, upstream, options in (
        ("emergency", Upstream(Path("x")), ["--source"]),
        ("holidays", Upstream(Path("x"), years=[2026]), ["--source"]),
        ("zones", Upstream(years=[2026]), ["--year"]),
        ("zones", Upstream(version="1"), ["--source-version"]),
        ("ca", Upstream(name="x", licence="MIT"), ["--source-name", "--source-licence"]),
        ("greetings", Upstream(Path("x"), name="x", years=[2026]), ["--source-name"]),
        ("notices", Upstream(Path("x"), "1"), ["--source-version"]),
        ("apn", Upstream(Path("x"), "1", "x", "MIT"), []),
        ("ca", Upstream(Path("x"), "1", "x", "MIT"), []),
        ("greetings", Upstream(years=[2026]), []),
        ("emergency", Upstream(), []),
    ):
        with case(kind):
            assert list_refused(kind, upstream) == options


def test_nobody_says_of_a_file_what_it_may_not_be(tmp_path) -> None:
    """Certificates of another package are not certifi's; whoever gives them says whose they are."""
    path = tmp_path / "ca.pem"
    path.write_bytes(Path(certifi.where()).read_bytes())
    for told, option in (
        (Upstream(path), "--source-version"),
        (Upstream(path, "1"), "--source-name"),
        (Upstream(path, "1", "ca-certificates"), "--source-licence"),
    ):
        with pytest.raises(ContentError, match=f"give it with {option}"):
            build_entries("ca", told)
    built = build_entries("ca", Upstream(path, "20250419", "ca-certificates", "MPL-2.0"))
    assert built.sources == [
        {"licence": "MPL-2.0", "name": "ca-certificates", "version": "20250419"}
    ]


def test_what_packs_are_built_with_may_be_absent(monkeypatch) -> None:
    """With what to install."""
    monkeypatch.delitem(sys.modules, "signer.content.validate", raising=False)
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(
        ContentError, match=r"\(PIL is missing\): install hening with its extra `con"
    ):
        load_extra()
