import os

import pytest

from tests.softhsm import PIN


def test_new_keys_are_listed(run, run_json, tmp_path) -> None:
    """What `new` makes, `list` shows, with role and id; people get a table without colours."""
    folder = ("--keys", tmp_path / "keys")
    made = run_json("keys", "new", *folder, "root-1", "armani-1")
    listed = run_json("keys", "list", *folder)
    assert [(key["name"], key["role"], key["private"]) for key in listed["keys"]] == [
        ("armani-1", "armani", True),
        ("root-1", "root", True),
    ]
    ids = {key["name"]: key["keyid"] for key in made["keys"]}
    assert {key["name"]: key["keyid"] for key in listed["keys"]} == ids
    _, output, _ = run("keys", "list", *folder)
    title, head, row, rest, *_ = output.splitlines()
    assert (title, head.split("  ")[0]) == ("Keys", "name")
    assert row.split()[:2] == ["armani-1", "here"]
    assert len((row + rest).split()) == 3 + 8  # half of the key id, in groups of four
    assert "\x1b" not in output
    # `rot` may be a codename, so the key is made, and the output says for what.
    for name, role in (("root-2", "the role root"), ("rot-1", "the model rot")):
        _, output, _ = run("keys", "new", *folder, name)
        assert output.startswith(f"Made {name} for {role}, key id ")


def test_a_key_that_cannot_be_is_2(run, tmp_path) -> None:
    """A name that is none, and half of a token: one sentence, and nothing is made."""
    for words, sentence in (
        (("root",), "'root' is not a key name; use ROLE-N with N from 1 to 999, for example"),
        (("latest-1",), "latest is signed by the server, whose `init` makes that key."),
        (("root-1", "--token", "drawer"), "--token and --module belong together"),
        (("root-1", "--module", "/usr/lib/module.so"), "--token and --module belong together"),
    ):
        status, output, errors = run("keys", "new", "--keys", tmp_path / "keys", *words)
        assert (status, output, sentence in errors) == (2, "", True), errors
        assert not (tmp_path / "keys").exists()


def test_a_holder_is_listed_and_never_published(run, run_json, tmp_path) -> None:
    """Colleagues see who keeps a key."""
    keys = tmp_path / "keys"
    run("keys", "new", "--keys", keys, "--holder", "Bob B.", "root-1")
    assert run_json("keys", "list", "--keys", keys)["keys"][0]["holder"] == "Bob B."
    _, output, _ = run("keys", "show", "root-1", "--keys", keys)
    assert "Bob B." in output
    _, output, _ = run("keys", "export", "root-1", "--keys", keys, "--format", "tuf")
    assert "Bob" not in output


def test_who_may_sign_what(run, run_json, keys, repo) -> None:
    """The repository says what each key signs, with how many others, or that it lists it not."""
    listed = run_json("keys", "list", "--keys", keys, "--repo", repo)["keys"]
    signs = {key["name"]: key["signs"] for key in listed}
    assert signs["dior-1"] == [{"alone": True, "keys": 1, "role": "dior", "threshold": 1}]
    assert signs["root-3"] == [{"alone": False, "keys": 3, "role": "root", "threshold": 2}]
    _, output, _ = run("keys", "list", "--keys", keys, "--repo", repo)
    rows = {line.split()[0]: line for line in output.splitlines()[2:]}
    assert "armani (2 of its 2 keys)" in rows["armani-2"]
    for name, sentence in (
        ("dior-1", "May sign dior: alone."),
        ("root-1", "May sign root: with 1 more of its 3 keys."),
    ):
        _, output, _ = run("keys", "show", name, "--keys", keys, "--repo", repo)
        assert sentence in output.splitlines()
    run("keys", "new", "--keys", keys, "armani-3")
    _, output, _ = run("keys", "show", "armani-3", "--keys", keys, "--repo", repo)
    assert f"{repo} lists it for no role, so nothing that it signs counts." in output
    _, output, _ = run("keys", "list", "--keys", keys, "--repo", repo)
    (row,) = (line for line in output.splitlines() if line.startswith("armani-3"))
    assert "nothing" in row
    shown = run_json("keys", "show", "armani-3", "--keys", keys, "--repo", repo)
    assert shown["signs"] == []
    assert "signs" not in run_json("keys", "show", "armani-3", "--keys", keys)


def test_a_passphrase_is_changed(run, run_json, tmp_path, passphrase) -> None:
    """The key signs with the new one; the sentence reminds of backups."""
    keys = tmp_path / "keys"
    run("keys", "new", "--keys", keys, "root-1", "root-2")
    arguments = ("keys", "passphrase", "--keys", keys, "root-1", "root-2")
    new = b"another horse battery"
    environment = {b"HENING_SIGNER_PASSPHRASE": passphrase, b"HENING_SIGNER_NEW_PASSPHRASE": new}
    status, output, errors = run(*arguments, environment=environment)
    assert (status, errors) == (0, "")
    assert output.splitlines()[0] == (
        "root-1 has a new passphrase; copies in backups still open with the old one."
    )
    status, _, errors = run(*arguments, environment=environment)
    assert status == 1
    assert "root-1 cannot be opened" in errors
    assert run_json("keys", "list", "--keys", keys)["keys"][0]["private"]


def test_old_and_new_passphrase_may_come_from_descriptors(run, tmp_path, passphrase) -> None:
    """Each from its own."""
    keys = tmp_path / "keys"
    run("keys", "new", "--keys", keys, "root-1")
    for old, new in ((passphrase, b"another passphrase"), (b"another passphrase", passphrase)):
        ends = []
        for data in (old, new):
            reader, writer = os.pipe()
            os.write(writer, data + b"\n")
            os.close(writer)
            ends.append(reader)
        options = ("--passphrase-fd", ends[0], "--new-passphrase-fd", ends[1])
        status, _, errors = run(
            "keys", "passphrase", "root-1", "--keys", keys, *options, environment={}
        )
        assert (status, errors) == (0, "")
        for end in ends:
            os.close(end)


@pytest.mark.needs("softhsm")
def test_keys_on_a_token_sign_a_repository(run, run_json, softhsm, tmp_path, online_file) -> None:
    """A ceremony takes file and token keys alike, each with the variable of its secret."""
    keys, online = tmp_path / "keys", tmp_path / "public.json"
    online.write_bytes(online_file)
    (tmp_path / "incoming").mkdir()
    environment = {
        b"HENING_SIGNER_PASSPHRASE": b"correct horse battery",
        b"HENING_SIGNER_PIN": PIN.encode(),
    }
    token = ("--token", "drawer", "--module", softhsm.module)
    in_files = ("root-1", "targets-1", "targets-2", "tables-1", "tables-2", "content-1")
    for arguments in ((*in_files,), ("root-2", "armani-1", *token)):
        status, _, errors = run("keys", "new", "--keys", keys, *arguments, environment=environment)
        assert (status, errors) == (0, "")
    status, _, errors = run(
        *("ceremony", "init", "--repo", tmp_path / "repo", "--keys", keys, "--online", online),
        *("--model", "armani", "--out", tmp_path / "incoming"),
        environment=environment,
    )
    assert (status, errors) == (0, "")
    _, output, _ = run("keys", "list", "--keys", keys)
    assert sum("on a token" in line for line in output.splitlines()) == 2
    shown = run_json("keys", "show", "armani-1", "--keys", keys, "--repo", tmp_path / "repo")
    assert shown["kind"] == "token"
    assert shown["signs"] == [{"alone": True, "keys": 1, "role": "armani", "threshold": 1}]


@pytest.mark.needs("softhsm")
def test_a_token_that_cannot_be_used(run, softhsm, tmp_path) -> None:
    """One sentence and a fitting status; the PIN does not show."""
    for pin, module, status, words in (
        ("wrong pin", softhsm.module, 1, "The token drawer refuses this PIN; it was tried once"),
        (PIN, "/nonexistent.so", 3, "module /nonexistent.so cannot be loaded"),
        (PIN, "relative.so", 1, "not the absolute path of a PKCS #11 module"),
    ):
        got, output, errors = run(
            *("keys", "new", "root-1", "--keys", tmp_path / "keys"),
            *("--token", "drawer", "--module", module),
            environment={b"HENING_SIGNER_PIN": pin.encode()},
        )
        assert (got, output, errors.count("\n")) == (status, "", 1)
        assert words in errors
        assert pin not in errors
        assert not (tmp_path / "keys" / "root-1.pub").exists()
