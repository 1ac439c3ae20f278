"""The commit of a checkout, as a real git reports it."""

import subprocess

from hening.commit import ask_git


def git(folder, *arguments):
    """Run git in a folder and return its output."""
    done = subprocess.run(["git", "-C", folder, *arguments], capture_output=True, check=True)
    return done.stdout.decode().strip()


def test_commit_of_a_checkout(tmp_path, monkeypatch):
    """The commit is the full hash, marked if files differ.

    It is unknown before the first commit, in a subfolder of a checkout, and without git.
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
    # An environment inside another project's checkout must not report its commit.
    (tmp_path / "site-packages").mkdir()
    assert not ask_git(tmp_path / "site-packages")
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert not ask_git(tmp_path)
