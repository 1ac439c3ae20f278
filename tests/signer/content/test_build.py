"""What each builder reads, and which options it needs."""

from pathlib import Path

import certifi
import pytest

from server.core.content.kinds import KINDS
from signer.content.build import build_entries
from signer.content.upstream import TITLES, Upstream, list_refused
from signer.errors import ContentError
from tests.cases import case
from tests.signer.content.sources.test_apn import PROVIDERS, VERSION


def test_each_kind_has_a_title() -> None:
    """The title of a pack that is built without one."""
    assert TITLES.keys() == KINDS.keys()


@pytest.mark.needs("mobile-broadband")
def test_missing_option() -> None:
    """The message names the missing option: source, version or years."""
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


def test_file_instead_of_folder(tmp_path) -> None:
    """The message says what the kind needs, and what the folder must hold."""
    path = tmp_path / "file.yaml"
    path.write_text("locale: en")
    for kind in ("features", "greetings", "notices", "themes", "wallpapers", "zones"):
        message = rf"is a file, and the pack {kind} .* folder, with .* in"
        with case(kind), pytest.raises(ContentError, match=message):
            build_entries(kind, Upstream(path, "1", years=[2026]))
    for kind in ("apn", "ca"):
        message = f"is a folder, and the pack {kind} is built from a file"
        with case(kind), pytest.raises(ContentError, match=message):
            build_entries(kind, Upstream(tmp_path, "1"))


def test_unsupported_options() -> None:
    """Options without a meaning for the kind are refused, not ignored."""
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


def test_own_certificates_need_name_and_licence(tmp_path) -> None:
    """Certificates from a file need a version, a name and a licence."""
    path = tmp_path / "ca.pem"
    path.write_bytes(Path(certifi.where()).read_bytes())
    for upstream, option in (
        (Upstream(path), "--source-version"),
        (Upstream(path, "1"), "--source-name"),
        (Upstream(path, "1", "ca-certificates"), "--source-licence"),
    ):
        with pytest.raises(ContentError, match=f"give it with {option}"):
            build_entries("ca", upstream)
    built = build_entries("ca", Upstream(path, "20250419", "ca-certificates", "MPL-2.0"))
    assert built.sources == [
        {"licence": "MPL-2.0", "name": "ca-certificates", "version": "20250419"}
    ]
