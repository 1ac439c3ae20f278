"""A checkout's commit, as a real git tells it."""

import subprocess

from hening.commit import ask_git


def git(folder, *arguments):
    """Run git in a folder; returns what it prints."""
    done = subprocess.run(["git", "-C", folder, *arguments], capture_output=True, check=True)
    return done.stdout.decode().strip()


def test_the_commit_of_a_checkout(tmp_path, monkeypatch):
    """Named in full, with or without a tag, and marked where files differ.

    It is not known before there is one, in another repository's folder, and without git.
    """
    person = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.org")
    (tmp_path / "file").write_text("first\n")
    git(tmp_path, "init", "--quiet")
    assert not ask_git(tmp_path)
    git(tmp_path, "add", "file")
    git(tmp_path, *person, "commit", "--quiet", "--message", "first")
    git(tmp_path, *person, "tag", "--annotate", "v1", "--message", "first")
    commit = git(tmp_path, "rev-parse", "HEAD")
    assert ask_git(tmp_path) == commit
    (tmp_path / "file").write_text("second\n")
    assert ask_git(tmp_path) == f"{commit}-dirty"
    # An environment in a checkout of something else names nothing of it.
    (tmp_path / "site-packages").mkdir()
    assert not ask_git(tmp_path / "site-packages")
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert not ask_git(tmp_path)
