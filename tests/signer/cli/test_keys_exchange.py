import json
import shutil

import pytest

from signer.keys.public_key import group_key_id
from tests.softhsm import PIN

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
    """Write the PEM file of a colleague's key."""
    path = tmp_path / "root-7.pem"
    path.write_text(PEM)
    return path


def test_a_key_comes_in_under_the_name_of_its_file(run, run_json, tmp_path, pem) -> None:
    """Or a given one; the sentence has the id to compare, the list says that it is elsewhere."""
    folder = ("--keys", tmp_path / "keys")
    status, output, _ = run("keys", "import", pem, *folder, "--holder", "carol")
    assert status == 0
    assert output == (
        "Took root-7, key id 74c1 81c7 ad8a 0855 d4b5 5e44 d2ba 87aa; compare that with what its"
        " holder reads out.\n"
    )
    assert run("keys", "import", pem, *folder) == (0, "root-7 is there already.\n", "")
    (key,) = run_json("keys", "list", *folder)["keys"]
    found = [key[name] for name in ("public", "name", "holder", "kind", "private")]
    assert found == [PUBLIC, "root-7", "carol", "public only", False]
    status, _, errors = run("keys", "export", "root-1", *folder)
    assert (status, "There is no key root-1 in" in errors) == (1, True)
    named = ("keys", "import", pem, "--keys", tmp_path / "other", "--name", "dior-3")
    assert run_json(*named)["keys"] == [{"holder": "", "keyid": KEYID, "name": "dior-3"}]


def test_files_of_this_tool_keep_their_holder(run, run_json, tmp_path) -> None:
    """A colleague's public halves are taken as they are, several at once."""
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    run("keys", "new", "--keys", theirs, "--holder", "dora", "root-1", "root-2")
    files = [theirs / "root-1.pub", theirs / "root-2.pub"]
    taken = run_json("keys", "import", *files, "--keys", ours)["keys"]
    assert [(key["name"], key["holder"]) for key in taken] == [
        ("root-1", "dora"),
        ("root-2", "dora"),
    ]
    assert (ours / "root-1.pub").read_bytes() == files[0].read_bytes()


def test_a_key_goes_out_and_comes_back(run, run_json, tmp_path) -> None:
    """Printed, written to a file or in JSON it is the same text, and it can be taken elsewhere."""
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


def test_an_export_may_be_repeated_and_leaves_nothing_behind(run, tmp_path, tree) -> None:
    """The file that is there already holds the same key, be it the folder's own."""
    keys = tmp_path / "keys"
    run("keys", "new", "--keys", keys, "root-1", "root-2")
    before = tree(keys)
    export = ("keys", "export", "root-1", "--keys", keys, "--out")
    assert run(*export, keys / "root-1.pub")[0] == 0
    status, _, errors = run(*export, keys / "root-2.pub")
    assert status == 3
    assert errors == (
        f"hening-signer: {keys}/root-2.pub is there already with other content;"
        " choose another name.\n"
    )
    assert tree(keys) == before


def test_what_cannot_be_taken_is_refused(run, tmp_path, pem) -> None:
    """Wrong usage before anything is read; nothing of all that was given is taken."""
    token = ("--token", "t", "--module", "/m", "--id", "01", "--name", "root-1")
    bad = tmp_path / "root-8.pub"
    bad.write_text("-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n")
    for given, expected, words in (
        ((pem, bad), 1, "not a public key; make one"),
        ((), 2, "nothing to take; give a FILE, or --token"),
        ((pem, pem, "--name", "root-1"), 2, "--name is for one FILE"),
        (("--token", "drawer"), 2, "--token, --module, --id and --name together"),
        ((pem, "--id", "01"), 2, "--token, --module, --id and --name together"),
        ((pem, *token), 2, "from a FILE or from a token"),
        ((pem, "--holder", "x" * 41), 2, "no name of a holder"),
    ):
        status, output, errors = run("keys", "import", *given, "--keys", tmp_path / "keys")
        assert (status, output, words in errors) == (expected, "", True), errors
        assert not (tmp_path / "keys").exists()


@pytest.mark.needs("softhsm")
def test_a_key_on_a_token_is_taken(run, run_json, softhsm, tmp_path) -> None:
    """What one folder's `new` made on the token, another folder's `import` takes by its id."""
    environment = {b"HENING_SIGNER_PIN": PIN.encode()}
    token = ("--token", "drawer", "--module", softhsm.module)
    first, second = tmp_path / "first", tmp_path / "second"
    arguments = ("keys", "new", "root-1", *token, "--keys", first, "--json")
    status, output, _ = run(*arguments, environment=environment)
    (made,) = json.loads(output)["keys"]
    assert status == 0
    key_id = json.loads((first / "root-1.token").read_bytes())["id"]
    for _ in range(2):  # the first command logged out, or this would be refused
        arguments = ("keys", "import", *token, "--id", key_id, "--name", "root-1", "--keys", second)
        status, output, errors = run(*arguments, environment=environment)
        assert (status, errors) == (0, "")
        assert group_key_id(made["keyid"]) in output
        (key,) = run_json("keys", "list", "--keys", second)["keys"]
        assert (key["kind"], key["private"]) == ("token", True)
        shutil.rmtree(second)
