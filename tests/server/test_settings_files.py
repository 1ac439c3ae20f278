"""`check` names files with secrets of the settings that others may read."""

import os

import pytest

from server.settings import Settings
from server.settings_files import NAMES, check_settings_files, list_secrets

ME = os.geteuid()


def wrong(file, settings):
    """Return the findings."""
    return [each.error for each in check_settings_files(file, settings, ME) if each.error]


def write(file, text, mode):
    """Write a file of a mode."""
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
def test_a_settings_file(tmp_path, text, secrets):
    """A wide one is named for each of its secrets, without a quote; without secrets it may be."""
    file = write(tmp_path / "settings.toml", text, 0o640)
    assert list_secrets(file) == secrets
    assert wrong(file, Settings()) == [
        f"others may read or change {file} ({name}, mode 0640): run `chmod 600 {file}`, and"
        " replace the secret if they could have."
        for name in secrets
    ]
    file.chmod(0o600)
    assert wrong(file, Settings()) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_the_settings_name(tmp_path, name):
    """A wide file and a missing one are named; a narrow one is no finding."""
    secret = write(tmp_path / "secret", "canary", 0o644)
    settings, none = Settings(**{name: str(secret)}), tmp_path / "settings.toml"
    (sentence,) = wrong(none, settings)
    assert f"{secret} ({name}, mode 0644): run `chmod 600 {secret}`" in sentence
    secret.chmod(0o400)
    assert wrong(none, settings) == []
    secret.unlink()
    assert wrong(none, settings) == [
        f"{secret} ({name}) cannot be looked at: No such file or directory."
    ]


def test_a_file_that_root_lends(tmp_path, monkeypatch):
    """The command leaves the group's bits, by which the server reads it."""
    secret = write(tmp_path / "key.pem", "canary", 0o644)
    settings = write(tmp_path / "settings.toml", "", 0o644)
    found = secret.stat()
    lent = os.stat_result((found.st_mode, *found[1:4], 0, *found[5:]))
    monkeypatch.setattr("pathlib.Path.stat", lambda _path, **_options: lent)
    findings = check_settings_files(settings, Settings(tls_key=str(secret)), 998)
    (error,) = [finding.error for finding in findings if finding.error]
    assert f"run `chmod g-w,o-rwx {secret}`" in error
