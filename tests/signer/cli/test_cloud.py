"""`cloud policy`: the examples are signed and described, and errors are named."""

import re
from pathlib import Path

import pytest

from server.core.cloud_policy import Deadlines, Lifetimes
from tests.cases import case

EXAMPLES = Path(__file__).parents[3] / "deploy" / "cloud" / "policies"


@pytest.fixture
def sign(run, tmp_path):
    """Return a function that signs a policy and returns status, output and errors."""
    keys = tmp_path / "keys"
    assert run("keys", "new", "--keys", keys, "policy-1", "root-1")[0] == 0

    def command(source, *more, key="policy-1", text="en=" + str(EXAMPLES / "id.en.md")):
        words = ("cloud", "policy", "sign", source, "--key", key, "--keys", keys)
        return run(*words, "--text", text, "--out", tmp_path / "made.policy", *more)

    return command


@pytest.mark.parametrize("region", ["br", "cn", "eu", "id", "in"])
def test_example_policies(sign, run, run_json, tmp_path, region):
    """Each example is signed and described; all have the same deadlines."""
    text = f"en={EXAMPLES / region}.en.md"
    status, output, _ = sign(EXAMPLES / f"{region}.toml", text=text)
    assert status == 0
    assert f"Policy of {region}" in output
    key = output.split()[-1]
    made = tmp_path / "made.policy"
    shown = run_json("cloud", "policy", "show", made, "--policy-key", key)
    assert set(shown["policy"]["hours"].values()) == {72}
    status, output, _ = run("cloud", "policy", "show", made)
    assert "nothing is processed 72 h later" in output
    assert "signature is not checked" in output
    other = key.replace(f"/{region}+", "/xx+")
    assert run("cloud", "policy", "show", made, "--policy-key", other)[0] != 0


def test_invalid_policies(sign, tmp_path):
    """Each error is named, and nothing is signed."""
    source, example = tmp_path / "id.toml", EXAMPLES / "id.toml"
    (tmp_path / "bad.md").write_bytes(b"\xff")
    for old, new, sentence in (
        ("erase = 72", "erase = 0", "hours.erase"),
        ("erase = 72", "", "erase"),
        ("from = 2027-01-01T00:00:00Z", "from = 2027-01-01T00:00:00", "with a time zone"),
        ("schema = 1", "schema = 1\nmore = 1", "more"),
        ("schema = 1", "schema = ", "not TOML"),
        ("schema = 1", 'schema = 1\ntext = "x"', "--text"),
    ):
        source.write_text(example.read_text().replace(old, new))
        with case(new):
            status, _, errors = sign(source)
            assert (status, sentence in errors) == (1, True)
    status, _, errors = sign(example, key="root-1")
    assert (status, "keys new policy-1" in errors) == (1, True)
    status, _, errors = sign(example, text=f"en={tmp_path / 'bad.md'}")
    assert (status, "UTF-8" in errors) == (1, True)
    assert not (tmp_path / "made.policy").exists()


@pytest.mark.parametrize("region", ["br", "cn", "eu", "id", "in"])
def test_numbers_of_examples_have_sources(region):
    """The line above a number names an article, or says that the law has no number."""
    lines = (EXAMPLES / f"{region}.toml").read_text().splitlines()
    numbers = [number for number, line in enumerate(lines) if re.match(r"\w+ = \d", line)]
    own = ("schema", "version", "from")
    sourced = [number for number in numbers if lines[number].split()[0] not in own]
    assert len(sourced) == 3 + len(Deadlines.__struct_fields__) + len(Lifetimes.__struct_fields__)
    for number in sourced:
        source = lines[number - 1]
        assert re.match(r"# (?:No number in the law; ours: |[A-Z].*? \d+)", source), lines[number]
