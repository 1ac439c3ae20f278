import json
import os
import shutil

import pytest

from signer.keys.public_key import group_key_id
from tests.softhsm import PIN


def test_new_and_list(run, run_json, tmp_path) -> None:
    """`list` shows the keys that `new` made, with role and id, in a table without colours."""
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
    # `rot` may be a codename, so the key is made, and the output names the model.
    for name, role in (("root-2", "the role root"), ("rot-1", "the model rot")):
        _, output, _ = run("keys", "new", *folder, name)
        assert output.startswith(f"Made {name} for {role}, key id ")


def test_invalid_new_key_has_status_2(run, tmp_path) -> None:
    """An invalid name or an incomplete token gives one sentence and no key."""
    for words, sentence in (
        (("root",), "'root' is not a key name; use ROLE-N with N from 1 to 999, for example"),
        (("latest-1",), "latest is signed by the server, whose `init` makes that key."),
        (("root-1", "--token", "drawer"), "--token and --module belong together"),
        (("root-1", "--module", "/usr/lib/module.so"), "--token and --module belong together"),
    ):
        status, output, errors = run("keys", "new", "--keys", tmp_path / "keys", *words)
        assert (status, output, sentence in errors) == (2, "", True), errors
        assert not (tmp_path / "keys").exists()


def test_roles_of_keys(run, run_json, keys, repo) -> None:
    """The repository says what each key signs, with how many others, or that it signs nothing."""
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
    assert f"{repo} lists it for no role, so its signatures are not valid." in output
    _, output, _ = run("keys", "list", "--keys", keys, "--repo", repo)
    (row,) = (line for line in output.splitlines() if line.startswith("armani-3"))
    assert "nothing" in row
    shown = run_json("keys", "show", "armani-3", "--keys", keys, "--repo", repo)
    assert shown["signs"] == []
    assert "signs" not in run_json("keys", "show", "armani-3", "--keys", keys)


def test_change_passphrase(run, run_json, tmp_path, passphrase) -> None:
    """The key opens with the new passphrase; the message reminds of backups."""
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


def test_change_passphrase_from_descriptors(run, tmp_path, passphrase) -> None:
    """Old and new passphrase each have a descriptor."""
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
def test_ceremony_with_token_keys(run, run_json, softhsm, tmp_path, online_file) -> None:
    """A ceremony uses keys in files and on a token, each with the variable of its secret."""
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
def test_unusable_token(run, softhsm, tmp_path) -> None:
    """One sentence and the right status; the PIN is not shown."""
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


# RFC 8032 section 7.1, test 1, in the PEM form of RFC 8410.
PUBLIC = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
KEYID = "74c181c7ad8a0855d4b55e44d2ba87aabdddb196832571f15f92fece332e4916"
PEM = (
    "-----BEGIN PUBLIC KEY-----\n"
    "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n"
    "-----END PUBLIC KEY-----\n"
)


@pytest.fixture
def pem(tmp_path):
    """Write the PEM file of another holder's key."""
    path = tmp_path / "root-7.pem"
    path.write_text(PEM)
    return path


def test_import_from_pem(run, run_json, tmp_path, pem) -> None:
    """The name is that of the file or a given one; the message has the id to compare."""
    folder = ("--keys", tmp_path / "keys")
    status, output, _ = run("keys", "import", pem, *folder, "--holder", "carol")
    assert status == 0
    assert output == (
        "Imported root-7, key id 74c1 81c7 ad8a 0855 d4b5 5e44 d2ba 87aa; compare it with the key"
        " id that its holder reads out.\n"
    )
    assert run("keys", "import", pem, *folder) == (0, "root-7 already exists.\n", "")
    (key,) = run_json("keys", "list", *folder)["keys"]
    found = [key[name] for name in ("public", "name", "holder", "kind", "private")]
    assert found == [PUBLIC, "root-7", "carol", "public only", False]
    status, _, errors = run("keys", "export", "root-1", *folder)
    assert (status, "There is no key root-1 in" in errors) == (1, True)
    named = ("keys", "import", pem, "--keys", tmp_path / "other", "--name", "dior-3")
    assert run_json(*named)["keys"] == [{"holder": "", "keyid": KEYID, "name": "dior-3"}]


def test_import_from_pub_files(run, run_json, tmp_path) -> None:
    """Several public halves are imported unchanged, with their holder."""
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    run("keys", "new", "--keys", theirs, "--holder", "dora", "root-1", "root-2")
    files = [theirs / "root-1.pub", theirs / "root-2.pub"]
    taken = run_json("keys", "import", *files, "--keys", ours)["keys"]
    assert [(key["name"], key["holder"]) for key in taken] == [
        ("root-1", "dora"),
        ("root-2", "dora"),
    ]
    assert (ours / "root-1.pub").read_bytes() == files[0].read_bytes()
    assert run_json("keys", "list", "--keys", ours)["keys"][0]["holder"] == "dora"
    assert "dora" in run("keys", "show", "root-1", "--keys", ours)[1]


def test_export_and_import(run, run_json, tmp_path) -> None:
    """Each form is the same text in all outputs, and can be imported."""
    keys = tmp_path / "keys"
    run("keys", "new", "--keys", keys, "root-1")
    private = (keys / "root-1.key").read_text().splitlines()[1:-1]
    for form in ("pub", "pem", "tuf"):
        out = tmp_path / form
        arguments = ("keys", "export", "root-1", "--keys", keys, "--format", form)
        _, printed, _ = run(*arguments)
        status, sentence, _ = run(*arguments, "--out", out)
        assert status == 0
        assert sentence.startswith("Wrote the public half of root-1, key id ")
        assert printed == out.read_text() == run_json(*arguments)["text"]
        assert not any(line in printed for line in private)
        other = tmp_path / f"other-{form}"
        assert run("keys", "import", out, "--name", "root-1", "--keys", other)[0] == 0
        assert (other / "root-1.pub").read_bytes() == (keys / "root-1.pub").read_bytes()


def test_repeated_export(run, tmp_path, tree) -> None:
    """An existing file must have the same key, also in the key folder."""
    keys = tmp_path / "keys"
    run("keys", "new", "--keys", keys, "root-1", "root-2")
    before = tree(keys)
    export = ("keys", "export", "root-1", "--keys", keys, "--out")
    assert run(*export, keys / "root-1.pub")[0] == 0
    status, _, errors = run(*export, keys / "root-2.pub")
    assert status == 3
    assert errors == (
        f"hening-signer: {keys}/root-2.pub already exists with other content;"
        " choose another name.\n"
    )
    assert tree(keys) == before


def test_refused_import(run, tmp_path, pem) -> None:
    """Wrong usage is found first; one refused file refuses all."""
    token = ("--token", "t", "--module", "/m", "--id", "01", "--name", "root-1")
    bad = tmp_path / "root-8.pub"
    bad.write_text("-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n")
    for given, expected, words in (
        ((pem, bad), 1, "not a public key; make one"),
        ((), 2, "nothing to import; give a FILE, or --token"),
        ((pem, pem, "--name", "root-1"), 2, "--name is for one FILE"),
        (("--token", "drawer"), 2, "give --token, --module, --id and --name"),
        ((pem, "--id", "01"), 2, "give --token, --module, --id and --name"),
        ((pem, *token), 2, "from a FILE or from a token"),
        ((pem, "--holder", "x" * 41), 2, "not a holder's name"),
    ):
        status, output, errors = run("keys", "import", *given, "--keys", tmp_path / "keys")
        assert (status, output, words in errors) == (expected, "", True), errors
        assert not (tmp_path / "keys").exists()


@pytest.mark.needs("softhsm")
def test_import_from_token(run, run_json, softhsm, tmp_path) -> None:
    """A key that one folder made on the token is imported into another by its id."""
    environment = {b"HENING_SIGNER_PIN": PIN.encode()}
    token = ("--token", "drawer", "--module", softhsm.module)
    first, second = tmp_path / "first", tmp_path / "second"
    arguments = ("keys", "new", "root-1", *token, "--keys", first, "--json")
    status, output, _ = run(*arguments, environment=environment)
    (made,) = json.loads(output)["keys"]
    assert status == 0
    key_id = json.loads((first / "root-1.token").read_bytes())["id"]
    for _ in range(2):  # the first command must have logged out
        arguments = ("keys", "import", *token, "--id", key_id, "--name", "root-1", "--keys", second)
        status, output, errors = run(*arguments, environment=environment)
        assert (status, errors) == (0, "")
        assert group_key_id(made["keyid"]) in output
        (key,) = run_json("keys", "list", "--keys", second)["keys"]
        assert (key["kind"], key["private"]) == ("token", True)
        shutil.rmtree(second)
