"""`export` says what it did, and where it cannot, why."""

import json

from server.publisher.publisher import Publisher


def test_export(world, run, tmp_path):
    """Numbers as JSON, or in a sentence; a second run writes nothing."""
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


def test_what_cannot_be_exported(world, fresh_state, run, tmp_path):
    """Another folder, nothing published, no state, no store: each has status and sentence."""
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat").write_bytes(b"")
    fresh = fresh_state.copy(tmp_path / "fresh")
    fresh.run(Publisher.repair)  # its database is made
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
    ):
        status, text, err = run("export", "--state", *arguments)
        assert (status, text) == (expected, "")
        assert sentence in err
        assert "canary" not in err
        assert err.count("\n") == 1
