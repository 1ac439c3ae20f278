"""The dialects' table of docs/PRIVACY.md agrees with the lab's copy and the server's grammar."""

import re

import msgspec
import pytest

from client_sim.lab.captures.dialects import DIALECTS, ROWS, find_row
from server.compat.dialects import DIALECTS as SERVED
from server.compat.dialects import compile_grammar
from server.compat.options import SENTENCE, CompatOptions
from server.device.gate import is_path
from tests.repo.test_request_table import PAGE, read_table

TABLE = {row["id"]: row for row in read_table("compat")}
H = "66611ffd4cee3a369ff36c53f425fe85fda8cb4b52c57d0386a18d51d7206d2e"
SAMPLES = {
    "DEVICE": ["FP4", "a", "sm-g991b", "x.y_z"],
    "TYPE": ["nightly"],
    "CHANNEL": ["stable", "stable6"],
    "VERSION": ["14"],
    "SOURCE": ["1.0.0-id", "2025120100"],
    "INCREMENTAL": ["1.1.0-id", "eng.root.1"],
    "H.FILE": [f"{H}.armani-1.zip"],
}
OUTSIDE = [
    *("/lineage/v1/FP4", "/lineage/v1//nightly", "/lineage/v1/FP4/nightly/" + "a" * 65),
    *("/lineage/v2/devices/FP4/builds/", f"/lineage/files/FP4/{H}.armani-1.zip?x"),
    *("/graphene/", "/graphene/../FP4-stable", "/custota/.json", "/crdroid/FP4", "/pe/FP4"),
    *("/miotaV3.php", "/metadata/timestamp.json"),
]


def paths_of(pattern):
    """Fill the names of a path pattern with samples, one name at a time."""
    paths = [pattern.strip("`")]
    for name, values in SAMPLES.items():
        paths = [path.replace(name, value) for path in paths for value in values]
    return sorted(set(paths))


def test_rows():
    """The page has the lab's rows with the same words, in any order."""
    assert TABLE.keys() == ROWS.keys()
    for name, row in ROWS.items():
        assert TABLE[name]["reveals"] == row.reveals
    assert set(DIALECTS) == SERVED.keys()


@pytest.mark.parametrize("name", TABLE)
def test_paths(name):
    """Each path is in its row and in no other dialect; the device plane has none of them."""
    row = TABLE[name]
    asked = [each for each in DIALECTS if each.startswith(ROWS[name].dialect)]
    grammar = compile_grammar(tuple(asked))
    for path in paths_of(row["path pattern"]):
        assert find_row(path.encode(), asked) == name, path
        assert grammar.fullmatch(path), path
        assert not is_path(path), path


def test_unknown_paths():
    """Neither the lab's copy nor the server's grammar has a path outside the table."""
    grammar = compile_grammar(tuple(SERVED))
    for path in OUTSIDE:
        assert find_row(path.encode(), DIALECTS) is None, path
        assert not grammar.fullmatch(path), path


def test_opening_sentence():
    """The section begins with the programs' sentence on what a dialect does to the promise."""
    text = PAGE.read_text(encoding="utf-8")
    section = text.split("## Dialects\n")[1]
    assert section.strip().startswith(SENTENCE.split(" (")[0])


def test_table_of_settings():
    """Every key of `[compat]` has a row in docs/reference/dialects.md."""
    page = (PAGE.parent / "reference" / "dialects.md").read_text(encoding="utf-8")
    table = page.split("## Settings\n")[1]
    documented = set(re.findall(r"`(?:\[compat\.)?(\w+)\]?`", table))
    names = {field.name for field in msgspec.structs.fields(CompatOptions)}
    assert names <= documented
