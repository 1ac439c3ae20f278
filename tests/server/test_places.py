"""How folders are found: variables take precedence over `hening.toml`, which must be trusted."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from server.places import LIMIT, Place, Places, PlacesError, find_file, load_trusted_file

ME = os.geteuid()


@pytest.fixture
def rom(tmp_path):
    """Return a folder with a `hening.toml` that names all three folders, and two subfolders."""
    folder = tmp_path / "rom"
    (folder / "deep" / "er").mkdir(parents=True)
    file = folder / "hening.toml"
    file.write_text('state = "server"\nrepo = "../repo"\nkeys = "/media/keys"\n')
    file.chmod(0o644)
    return folder


def test_paths_are_relative_to_the_file(rom):
    """Paths in `hening.toml` are relative to its folder; `out` is the state's `incoming`.

    A path below the working folder is returned in its short, relative form.
    """
    places = Places({}, rom / "deep" / "er", ME)
    source = str(rom / "hening.toml")
    assert places.find("state") == Place(rom / "server", source)
    assert places.find("repo") == Place(rom / "../repo", source)
    assert places.find("keys") == Place(Path("/media/keys"), source)
    assert places.find("out") == Place(rom / "server" / "incoming", source)
    assert Places({}, rom, ME).find("out").path == Path("server/incoming")


def test_variable_precedes_the_file(rom):
    """A variable takes precedence and is relative to the working folder; an empty one is ignored.

    The file is then not opened, so an invalid file stops only commands that need it.
    """
    places = Places({"HENING_STATE": "s", "HENING_KEYS": ""}, rom, ME)
    assert places.find("state") == Place(Path("s"), "HENING_STATE")
    assert places.find("out") == Place(Path("s/incoming"), "HENING_STATE")
    assert places.find("keys").path == Path("/media/keys")
    (rom / "hening.toml").write_text("nonsense")
    assert Places({"HENING_STATE": "s"}, rom, ME).find("state").path == Path("s")


def test_unnamed_folder_is_none(tmp_path, rom):
    """Without a variable and an entry in a file, the result is None."""
    assert Places({}, tmp_path, ME).find("state") is None
    assert Places({}, tmp_path, ME).find("out") is None
    (rom / "hening.toml").write_text("")
    assert Places({}, rom, ME).find("repo") is None


def test_only_the_nearest_file_counts(rom):
    """Only the nearest file counts: an entry that it lacks is not searched for further up."""
    (rom / "deep" / "hening.toml").write_text('state = "x"\n')
    (rom / "deep" / "hening.toml").chmod(0o600)
    places = Places({}, rom / "deep" / "er", ME)
    assert places.find("state").path == rom / "deep" / "x"
    assert places.find("repo") is None


def test_search_stops_at_a_mount_point(rom, monkeypatch):
    """The search stops at a mount point: a file above it is not read."""
    real = Path.stat

    def stat(path, **options):
        found = real(path, **options)
        return SimpleNamespace(st_dev=found.st_dev + (path == rom))

    monkeypatch.setattr(Path, "stat", stat)
    assert find_file(rom / "deep") is None
    assert find_file(rom) == rom / "hening.toml"


def test_file_writable_by_others_is_refused(tmp_path):
    """A file that others can write is refused; the message has a quoted `chmod` command."""
    for folder, quote, mode in (("rom", "", 0o664), ("rom", "", 0o646), ("my rom", "'", 0o666)):
        file = tmp_path / folder / "hening.toml"
        file.parent.mkdir(exist_ok=True)
        file.write_text("")
        file.chmod(mode)
        words = f"(mode {mode:04o}).*`chmod go-w {quote}{file}{quote}`"
        with pytest.raises(PlacesError, match=words):
            Places({}, file.parent, ME).find("state")


def test_file_of_another_user_is_refused(rom):
    """A file of another user is refused; a file of the caller is accepted."""
    file = rom / "hening.toml"
    if ME == 0:
        os.chown(file, 4711, -1)
    owner = file.stat().st_uid
    with pytest.raises(PlacesError, match=rf"{file} is not used.*another user \(uid {owner}\)"):
        Places({}, rom, owner + 1).find("state")
    assert Places({}, rom, owner).find("state") is not None


def test_file_of_root_is_trusted():
    """A file owned by root is trusted by every user. /etc/passwd serves as the example."""
    assert b"root:" in load_trusted_file(Path("/etc/passwd"), 4711)


@pytest.mark.timeout(60)
def test_irregular_files_are_refused(rom):
    """A symbolic link, a folder and a pipe are refused; the pipe is not waited for."""
    file = rom / "hening.toml"
    file.rename(rom / "other.toml")
    for make, sentence in (
        (lambda: file.symlink_to("other.toml"), "symbolic link"),
        (lambda: file.mkdir(mode=0o700), "toml is not used, because it is not a regular"),
        (lambda: os.mkfifo(file, 0o600), "not a regular file"),
    ):
        make()
        with pytest.raises(PlacesError, match=sentence):
            Places({}, rom, ME).find("state")
        file.rename(rom / sentence[:3])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("state = ", "not TOML"),
        ("x = 1", "the key 'x': its keys are state, repo, keys"),
        ("state = 1", "state is not the path of a folder"),
        ('state = ""', "state is not the path of a folder"),
        ('state = "\\u0000"', "state is not the path of a folder"),
        ("#" * (LIMIT + 1), f"more than {LIMIT} bytes"),
    ],
)
def test_malformed_files_are_refused(rom, text, sentence):
    """A malformed file is refused, and the message names the file and the error."""
    (rom / "hening.toml").write_text(text)
    with pytest.raises(PlacesError, match=sentence) as caught:
        Places({}, rom, ME).find("state")
    assert str(caught.value).startswith(f"{rom / 'hening.toml'} is not used, because ")
