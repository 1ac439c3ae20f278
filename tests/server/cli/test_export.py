"""`export`: its report, its progress, and its errors."""

import contextlib
import importlib
import json
import os
import pty
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from server.cli.export import LINE_EACH, progress_bar
from server.publisher.publisher import Publisher
from tests.seaweed import BUCKET, KEY_ID, SECRET


def test_export_into_a_folder(world, run, tmp_path):
    """The report is JSON or a sentence; a second run writes nothing."""
    out = tmp_path / "mirror"
    status, text, err = run("export", "--state", world.folder.root, "--out", out, "--json")
    done = json.loads(text)
    assert (status, err) == (0, "")
    assert (done["version"], done["removed"]) == (3, 0)
    assert done["written"] == done["files"] > 20
    status, text, _ = run("export", "--state", world.folder.root, "--out", out, "--hardlink")
    assert status == 0
    assert text == (
        f"{out} mirrors timestamp 3: {done['files']} files, 0 written (0 bytes), 0 removed.\n"
    )


@pytest.mark.needs("seaweed")
def test_export_into_a_bucket(world, run, seaweed, tmp_path):
    """An export to a bucket uses the settings' endpoint and key."""
    config = tmp_path / "settings.toml"
    config.write_text(
        f's3_endpoint = "{seaweed.endpoint}"\ns3_key_id = "{KEY_ID}"\ns3_secret = "{SECRET}"\n'
    )
    url = f"s3://{BUCKET}/command/{uuid.uuid4()}"
    words = ("export", "--state", world.folder.root, "--to", url, "--config", config)
    status, text, err = run(*words, "--json")
    done = json.loads(text)
    assert (status, err, done["version"]) == (0, "", 3)
    assert done["written"] == done["files"] > 10
    status, text, err = run(*words)
    assert (status, err) == (0, "")
    assert text == (
        f"{url} mirrors timestamp 3: {done['files']} files, 0 written (0 bytes), 0 removed.\n"
    )


def test_contradicting_options_are_refused(run, tmp_path):
    """Contradicting options are refused before anything is opened."""
    for words, sentence in (
        ("", "name the mirror"),
        ("--out mirror --to s3://hening/x", "name the mirror"),
        ("--to s3://hening/x --compat", "--compat writes files into a folder"),
        ("--to s3://hening/x --hardlink", "--hardlink writes files into a folder"),
    ):
        status, text, err = run("export", "--state", tmp_path / "none", *words.split())
        assert (status, text, sentence in err) == (2, "", True), words


def test_impossible_exports(world, fresh_state, run, tmp_path):
    """Each impossible export has its status and message."""
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat").write_bytes(b"")
    fresh = fresh_state.copy(tmp_path / "fresh")
    fresh.run(Publisher.repair)  # creates the database
    bad = tmp_path / "bad.toml"
    bad.write_text('blobs_url = "s3://UPPER"\n')
    away = tmp_path / "away.toml"
    away.write_text(
        'blobs_url = "s3://hening"\ns3_endpoint = "http://127.0.0.1:9"\n'
        's3_key_id = "id"\ns3_secret = "canary-secret"\n'
    )
    state, out = world.folder.root, tmp_path / "mirror"
    for arguments, expected, sentence in (
        ((state, "--out", tmp_path / "photos"), 1, "holds 'cat'"),
        ((fresh.folder.root, "--out", out), 1, "nothing is published yet"),
        ((tmp_path / "none", "--out", out), 3, "there is no server state"),
        ((state, "--out", out, "--config", bad), 1, "blobs_url is not of the form"),
        ((state, "--out", out, "--config", away), 3, "the S3 store does not give a blob"),
        ((state, "--to", "s3://UPPER"), 1, "--to is not of the form s3://BUCKET/PREFIX"),
    ):
        status, text, err = run("export", "--state", *arguments)
        assert (status, text) == (expected, "")
        assert sentence in err
        assert "canary" not in err
        assert err.count("\n") == 1


def test_progress_lines_without_a_terminal(capsys):
    """Without a terminal, one line is printed per GiB, and none for little work."""
    with progress_bar() as show:
        show("Writing", 1000, 3 * LINE_EACH)
        show("Writing", LINE_EACH - 1, 3 * LINE_EACH)
        show("Writing", LINE_EACH + 5, 3 * LINE_EACH)
        show("Writing", LINE_EACH + 6, 3 * LINE_EACH)
        show("Auditing", 3 * LINE_EACH, 3 * LINE_EACH)
    out, err = capsys.readouterr()
    assert out == ""
    assert err == ("Writing: 1.07 GB of 3.22 GB\nAuditing: 3.22 GB of 3.22 GB\n")


def test_progress_bar_on_a_terminal(world, tmp_path, monkeypatch):
    """An export shows its step and progress on standard error, and nothing on standard output."""
    controlling, terminal = pty.openpty()
    words = ["export", "--state", world.folder.root, "--out", tmp_path / "mirror", "--json"]
    monkeypatch.setattr(sys, "argv", ["hening-server", *map(str, words)])
    monkeypatch.setenv("TERM", "xterm")
    with ThreadPoolExecutor() as reader:
        reading = reader.submit(read_to_the_end, controlling)
        with os.fdopen(terminal, "w", encoding="utf-8") as stderr:
            monkeypatch.setattr(sys, "stderr", stderr)
            importlib.import_module("server.cli").main()
    painted = reading.result()
    assert "Auditing" in painted
    assert "MB" in painted or "kB" in painted


def read_to_the_end(controlling):
    """Return a terminal's output, read while it is written."""
    painted = b""
    with contextlib.suppress(OSError):  # EIO: the other end is closed
        while data := os.read(controlling, 4096):
            painted += data
    os.close(controlling)
    return painted.decode()
