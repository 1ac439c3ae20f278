import json
import os

import pytest


def test_new_keys_are_listed(run_json, tmp_path) -> None:
    """What `new` makes, `list` shows, with role and id."""
    made = run_json("keys", "new", "--keys", tmp_path / "keys", "root-1", "armani-1")
    listed = run_json("keys", "list", "--keys", tmp_path / "keys")
    assert [(key["name"], key["role"], key["private"]) for key in listed["keys"]] == [
        ("armani-1", "armani", True),
        ("root-1", "root", True),
    ]
    ids = {key["name"]: key["keyid"] for key in made["keys"]}
    assert {key["name"]: key["keyid"] for key in listed["keys"]} == ids


def test_people_get_sentences_and_a_table(run, tmp_path) -> None:
    """Off a terminal there are plain lines without colours."""
    status, output, _ = run("keys", "new", "--keys", tmp_path / "keys", "root-1")
    assert status == 0
    assert output.startswith("Made root-1 for the role root, key id ")
    _, output, _ = run("keys", "list", "--keys", tmp_path / "keys")
    title, head, row = output.splitlines()
    assert (title, head.split("  ")[0]) == ("Keys", "name")
    assert row.split()[:3] == ["root-1", "root", "here"]
    assert "\x1b" not in output


def test_a_mistyped_role_is_seen_to_be_a_model(run, tmp_path) -> None:
    """`rot` may be a codename, so the key is made, and the output says for what."""
    status, output, _ = run("keys", "new", "--keys", tmp_path / "keys", "rot-1")
    assert status == 0
    assert output.startswith("Made rot-1 for the model rot, key id ")


def test_the_passphrase_may_come_from_a_descriptor(run, tmp_path) -> None:
    """A descriptor wins over the environment; a final newline does not count."""
    for octets in (b"descriptor passphrase\n", b"descriptor passphrase"):
        reader, writer = os.pipe()
        os.write(writer, octets)
        os.close(writer)
        keys = tmp_path / str(reader) / str(len(octets))
        status, _, _ = run("keys", "new", "--keys", keys, "--passphrase-fd", reader, "root-1")
        os.close(reader)
        assert status == 0
        # The key opens with it: the half without its public file is completed.
        (keys / "root-1.pub").unlink()
        environment = {b"HENING_SIGNER_PASSPHRASE": b"descriptor passphrase"}
        assert run("keys", "new", "--keys", keys, "root-1", environment=environment)[0] == 0


def test_a_descriptor_that_is_not_open_is_3(run, tmp_path) -> None:
    """The surroundings failed, the sentence names option and number, and nothing is made."""
    status, _, errors = run("keys", "new", "--keys", tmp_path / "k", "--passphrase-fd", 987, "a-1")
    assert status == 3
    assert errors == (
        "hening-signer: Nothing can be read from --passphrase-fd 987 (Bad file descriptor);"
        " open it for reading, for example with `987<FILE`.\n"
    )
    assert not (tmp_path / "k").exists()


def test_without_terminal_or_passphrase_it_is_wrong_usage(run, tmp_path) -> None:
    """The sentence names both ways to give a passphrase."""
    status, _, errors = run("keys", "new", "--keys", tmp_path / "keys", "root-1", environment={})
    assert status == 2
    assert "--passphrase-fd or HENING_SIGNER_PASSPHRASE" in errors


def test_on_a_terminal_it_is_asked_for_twice(run, tmp_path, monkeypatch) -> None:
    """The answer is hidden and must be confirmed."""
    asked = []

    def answer(prompt, *_more, **_named):
        asked.append(prompt)
        return "typed passphrase"

    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("click.termui.hidden_prompt_func", answer)
    status, _, _ = run("keys", "new", "--keys", tmp_path / "keys", "root-1", environment={})
    assert status == 0
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("root", "'root' is not a key name; use ROLE-N with N from 1 to 999, for example root-1"),
        ("root-0", "'root-0' is not a key name; use ROLE-N with N from 1 to 999, for example"),
        ("latest-1", "latest is signed by the server, whose `init` makes that key."),
        ("-", "'-' is not a key name"),
    ],
)
def test_a_name_that_cannot_be_is_2(run, tmp_path, name, sentence) -> None:
    """One sentence on standard error, and nothing is made."""
    status, output, errors = run("keys", "new", "--keys", tmp_path / "keys", name)
    assert (status, output) == (2, "")
    assert sentence in errors
    assert not (tmp_path / "keys").exists()


def test_a_short_passphrase_is_1(run, tmp_path) -> None:
    """The sentence gives the bounds."""
    environment = {b"HENING_SIGNER_PASSPHRASE": b"short"}
    status, _, errors = run("keys", "new", "--keys", tmp_path / "k", "a-1", environment=environment)
    assert (status, errors) == (
        1,
        "hening-signer: The passphrase has 5 octets; give one of 8 to 1023.\n",
    )


def test_the_passphrase_is_never_printed(run, tmp_path, passphrase) -> None:
    """Neither output nor errors show it, whatever happens."""
    shown = ""
    for arguments in (("new", "root-1"), ("new", "root-1"), ("new", "x"), ("list",)):
        _, output, errors = run("keys", *arguments, "--keys", tmp_path / "keys")
        shown += output + errors
    assert passphrase.decode() not in shown
    assert json.dumps(passphrase.decode()) not in shown
