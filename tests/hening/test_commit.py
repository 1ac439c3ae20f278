"""A checkout's commit, as a real git tells it."""

import subprocess

import pytest

from hening.commit import ask_git


@pytest.fixture
def checkout(tmp_path):
    """Give a repository with one commit, and that commit's name."""
    person = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.org")
    (tmp_path / "file").write_text("first\n")

    def git(*arguments):
        done = subprocess.run(["git", "-C", tmp_path, *arguments], capture_output=True, check=True)
        return done.stdout.decode().strip()

    git("init", "--quiet")
    git("add", "file")
    git(*person, "commit", "--quiet", "--message", "first")
    git(*person, "tag", "--annotate", "v1", "--message", "first")
    return tmp_path, git("rev-parse", "HEAD")


def test_the_commit_is_named_in_full(checkout):
    """A tag does not stand in its place."""
    folder, commit = checkout
    assert ask_git(folder) == commit


def test_files_that_differ_are_told(checkout):
    """What runs is not what was committed."""
    folder, commit = checkout
    (folder / "file").write_text("second\n")
    assert ask_git(folder) == f"{commit}-dirty"


def test_the_repository_around_an_installation_is_another(checkout):
    """An environment in a checkout of something else names nothing of it."""
    folder, _ = checkout
    inside = folder / "site-packages"
    inside.mkdir()
    assert not ask_git(inside)


def test_a_repository_without_a_commit(tmp_path):
    """Git refuses, and the commit is not known."""
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    assert not ask_git(tmp_path)


def test_no_git(checkout, monkeypatch, tmp_path):
    """Where the program is not installed the commit is not known."""
    folder, _ = checkout
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert not ask_git(folder)
