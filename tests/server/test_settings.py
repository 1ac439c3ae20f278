"""Settings choose the blob store; their secrets are not printed, and their files are private."""

import os
from datetime import UTC, datetime

import pytest

from server.core.errors import FormatError
from server.settings import Settings, load_settings
from server.settings_checks import NAMES, check_settings_files, list_secrets
from server.storage.layout import StateFolder
from server.storage.local_blobs import LocalBlobs
from server.storage.s3_blobs import S3Blobs
from server.stores import open_blobs, open_place, open_tree_place

S3 = {"HENING_BLOBS_URL": "s3://hening/blobs", "HENING_S3_KEY_ID": "id"}


def now():
    """Return the current time."""
    return datetime.now(UTC)


def test_default_blob_store(tmp_path):
    """Without a setting, blobs are stored in the state's folder `blobs`."""
    blobs = open_blobs(StateFolder(tmp_path), Settings(), now)
    assert isinstance(blobs, LocalBlobs)
    assert blobs.path("ab" * 32) == tmp_path / "blobs" / "ab" / ("ab" * 32)


def test_secret_from_environment_or_file(tmp_path):
    """A secret from a variable or a file opens an S3 store, and no repr or str contains it."""
    (tmp_path / "secret").write_text("canary-4711\n")
    for more in (
        {"HENING_S3_SECRET": "canary-4711"},
        {"HENING_S3_SECRET_FILE": str(tmp_path / "secret")},
    ):
        settings = load_settings(None, S3 | more)
        blobs = open_blobs(StateFolder(tmp_path), settings, now)
        assert isinstance(blobs, S3Blobs)
        for shown in (settings, blobs, blobs._store, blobs._uploads):
            assert "canary" not in f"{shown!r} {shown!s}"


@pytest.mark.parametrize(
    "broken",
    [{"HENING_PORT": "x"}, {"HENING_S3_SECRETS": "x"}, {"HENING_BLOBS_URL": "ftp://x"}],
    ids=["port", "unknown key", "blobs_url"],
)
def test_errors_show_no_secret(tmp_path, broken):
    """The message about any invalid setting does not contain the secret."""

    def act():
        settings = load_settings(None, S3 | {"HENING_S3_SECRET": "canary-4711"} | broken)
        open_blobs(StateFolder(tmp_path), settings, now)

    with pytest.raises(FormatError) as refused:
        act()
    assert "canary" not in str(refused.value)


SHARED = {
    "HENING_TREE_URL": "s3://rom/shared",
    "HENING_BLOBS_URL": "s3://rom/blobs",
    "HENING_DATABASE_URL": "postgresql://hening@h/d",
}


def test_shared_tree():
    """The shared tree has the bucket, endpoint and key of the blobs, and its own prefix.

    Without `tree_url` there is no shared tree.
    """
    settings = load_settings(None, SHARED | {"HENING_S3_ENDPOINT": "http://127.0.0.1:8333"})
    blobs, tree = open_place(settings), open_tree_place(settings)
    assert (blobs.prefix, tree.prefix) == ("blobs", "shared")
    assert (blobs.bucket, blobs.endpoint, blobs.key) == (tree.bucket, tree.endpoint, tree.key)
    assert open_tree_place(Settings(blobs_url="s3://rom/blobs")) is None
    with pytest.raises(FormatError, match=r"^tree_url is not of the form s3://BUCKET/PREFIX\.$"):
        open_tree_place(Settings(tree_url="ftp://x"))


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        (("HENING_BLOBS_URL",), "without blobs_url:"),
        (("HENING_DATABASE_URL",), "without database_url:"),
        (("HENING_DATABASE_URL", "HENING_BLOBS_URL"), "without database_url and blobs_url:"),
    ],
)
def test_shared_tree_needs_database_and_blobs(missing, named):
    """`tree_url` is refused without a shared database and shared blobs.

    Machines that shared only the tree would destroy each other's data.
    """
    with pytest.raises(FormatError, match=f"^tree_url is set {named}"):
        load_settings(None, {name: url for name, url in SHARED.items() if name not in missing})


ME = os.geteuid()


def errors_of(file, settings):
    """Return the error messages about the files."""
    return [each.error for each in check_settings_files(file, settings, ME) if each.error]


def write(file, text, mode):
    """Write a file with a mode and return it."""
    file.write_text(text)
    file.chmod(mode)
    return file


@pytest.mark.parametrize(
    ("text", "secrets"),
    [
        ("", []),
        ("port = 1\n", []),
        ('s3_secret = "canary"\n', ["s3_secret"]),
        ('s3_secret = ""\ns3_secret_file = "/s"\n', []),
        ('database_url = "postgresql://hening:canary@h/d"\n', ["database_url"]),
        ('database_url = "postgresql://hening@h/d?password=canary"\n', ["database_url"]),
        ('database_url = "postgresql://hening@h/d"\n', []),
        (
            's3_secret = "canary"\ndatabase_url = "postgresql://u:canary@h/d"\n',
            ["s3_secret", "database_url"],
        ),
    ],
)
def test_readable_settings_file_is_reported(tmp_path, text, secrets):
    """A readable settings file is reported once for each secret in it, without the value.

    A file without secrets may be readable.
    """
    file = write(tmp_path / "settings.toml", text, 0o640)
    assert list_secrets(file) == secrets
    assert errors_of(file, Settings()) == [
        f"others may read or change {file} ({name}, mode 0640): run `chmod 600 {file}`, and"
        " replace the secret if they could have."
        for name in secrets
    ]
    file.chmod(0o600)
    assert errors_of(file, Settings()) == []


@pytest.mark.parametrize("name", NAMES)
def test_readable_secret_file_is_reported(tmp_path, name):
    """A secret's file is reported if others can read it or if it is missing."""
    secret = write(tmp_path / "secret", "canary", 0o644)
    settings, none = Settings(**{name: str(secret)}), tmp_path / "settings.toml"
    (sentence,) = errors_of(none, settings)
    assert f"{secret} ({name}, mode 0644): run `chmod 600 {secret}`" in sentence
    secret.chmod(0o400)
    assert errors_of(none, settings) == []
    secret.unlink()
    assert errors_of(none, settings) == [
        f"{secret} ({name}) cannot be inspected: No such file or directory."
    ]


def test_chmod_for_a_file_of_root(tmp_path, monkeypatch):
    """For a file of root, the `chmod` keeps the group's read bit, which the server needs."""
    secret = write(tmp_path / "key.pem", "canary", 0o644)
    settings = write(tmp_path / "settings.toml", "", 0o644)
    found = secret.stat()
    lent = os.stat_result((found.st_mode, *found[1:4], 0, *found[5:]))
    monkeypatch.setattr("pathlib.Path.stat", lambda _path, **_options: lent)
    findings = check_settings_files(settings, Settings(tls_key=str(secret)), 998)
    (error,) = [finding.error for finding in findings if finding.error]
    assert f"run `chmod g-w,o-rwx {secret}`" in error
