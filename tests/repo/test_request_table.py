"""The tables of docs/PRIVACY.md agree with the copies that the code holds."""

import re
from pathlib import Path

import pytest

from client_sim.lab.oracles.cardinality import BUDGETS, CROWDS
from client_sim.lab.oracles.grammar import find_violations
from client_sim.lab.oracles.language import ACCEPT_ENCODING, RANGE, RULES

PAGE = Path(__file__).parents[2] / "docs" / "PRIVACY.md"
DIGEST = "66611ffd4cee3a369ff36c53f425fe85fda8cb4b52c57d0386a18d51d7206d2e"
SAMPLES = {
    "R": ["2", "10", "9007199254740991"],
    "N": ["1", "10", "9007199254740991"],
    "CODENAME": ["armani", "a", "hm_note-1s"],
    "REGION": ["id", "eu-1"],
    "CHANNEL": ["stable", "b"],
    "H": [DIGEST],
    "P": ["0", "3", "a", "f"],
    "II": ["00"],
    "NAME": ["dawn", "a-1"],
    "FILE": ["a.zip", "armani-id-2-full.zip", "x.y.zip"],
}
# By role: no kind belongs to both.
KINDS = {
    "tables": ["apn", "ca", "emergency", "zones"],
    "content": ["features", "greetings", "holidays", "notices", "themes", "wallpapers"],
}
HEADERS = {"Host, Accept-Encoding": b"Accept-Encoding: gzip", "Host, Range": b"Range: bytes=0-5"}


def read_table(name, page=PAGE):
    """Parse the rows between the markers into dictionaries by column."""
    text = page.read_text(encoding="utf-8")
    table = text.split(f"<!-- {name}:begin -->")[1].split(f"<!-- {name}:end -->")[0]
    rows = [
        [cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in table.strip().splitlines()
    ]
    columns, _, *body = rows
    return [dict(zip(columns, cells, strict=True)) for cells in body]


TABLE = read_table("requests")


def paths_of(row):
    """Fill the names in a row's path pattern with sample values, one name at a time."""
    pattern = row["path pattern"].strip("`")
    alternatives = re.search(r"\(([a-z|]+)\)", pattern)
    patterns = (
        [pattern.replace(alternatives[0], one) for one in alternatives[1].split("|")]
        if alternatives
        else [pattern]
    )
    if "KIND" in pattern:
        patterns = [
            one.replace("KIND", kind) for one in patterns for kind in KINDS[one.split("/")[2]]
        ]
    for one in patterns:
        names = re.findall(r"(?<![A-Za-z])[A-Z]+(?![A-Za-z])", one)
        for changing in names or [""]:
            for value in SAMPLES.get(changing, [""]):
                yield re.sub(
                    r"(?<![A-Za-z])[A-Z]+(?![A-Za-z])",
                    lambda match, changing=changing, value=value: (
                        value if match[0] == changing else SAMPLES[match[0]][0]
                    ),
                    one,
                )


def test_rows():
    """Names, methods and headers of the lab's rules are those of the table."""
    columns = ["id", "when", "method", "path pattern", "headers", "alphabet", "bits", "reveals"]
    assert list(TABLE[0]) == columns
    assert len(TABLE) == 13
    assert [rule.name for rule in RULES] == [row["id"] for row in TABLE]
    assert [rule.method.decode() for rule in RULES] == [row["method"] for row in TABLE]
    named = {ACCEPT_ENCODING: "Host, Accept-Encoding", RANGE: "Host, Range"}
    assert [named[rule.header] for rule in RULES] == [row["headers"] for row in TABLE]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row["id"])
def test_rows_match_one_rule(row):
    """A path made from the row's pattern matches its rule and no other.

    Each row has one method and one set of headers.
    """
    for path in paths_of(row):
        matching = [rule.name for rule in RULES if rule.path.fullmatch(path.encode())]
        assert matching == [row["id"]], path
    path = next(iter(paths_of(row))).encode()
    right = HEADERS[row["headers"]]
    for method in (b"GET", b"HEAD", b"POST", b"get"):
        for header in (*HEADERS.values(), b"X-Any: 1", b"accept-encoding: gzip"):
            data = method + b" " + path + b" HTTP/1.1\r\nHost: h.example\r\n" + header
            rules = {v.rule for v in find_violations(data + b"\r\n\r\n", b"h.example")}
            honest = method.decode() == row["method"] and header == right
            assert (rules <= {"order"}) == honest


def test_order_of_roles():
    """The lab enforces the order that the page names."""
    row = next(row for row in TABLE if row["id"] == "role")
    roles = re.findall(r"`([a-z]+)`", row["when"])
    head = b"GET %s HTTP/1.1\r\nHost: h.example\r\nAccept-Encoding: gzip\r\n\r\n"
    names = (b"2.root", b"timestamp", b"3.snapshot")
    start = b"".join(head % b"/metadata/%s.json" % name for name in names)
    for first in roles:
        for second in roles:
            asked = start + head % f"/metadata/4.{first}.json".encode()
            if first != "targets":
                asked += head % f"/log/proof/{first}.4".encode()
            asked += head % f"/metadata/4.{second}.json".encode()
            clean = find_violations(asked, b"h.example") == ()
            assert clean == (roles.index(first) < roles.index(second))


def test_budget_and_crowds():
    """Fields and sizes are the page's, and bits are the logarithm of the size.

    Each request that reveals a model or a build has the page's k.
    """
    rows = read_table("budget")
    assert [(r["field"], r["of"], r["size"]) for r in rows] == [
        (budget.field, budget.of, budget.size) for budget in BUDGETS
    ]
    assert all(r["bits"] == {"1": "0"}.get(r["size"], f"log2({r['size']})") for r in rows)
    assert {row["of"]: int(row["smallest crowd k"]) for row in read_table("crowds")} == CROWDS


def test_order_of_packs():
    """After the roles, `tables` before `content`; no part twice, no part of an unknown kind."""
    head = b"GET %s HTTP/1.1\r\nHost: h.example\r\nAccept-Encoding: gzip\r\n\r\n"
    start = b"".join(head % b"/metadata/%s.json" % name for name in (b"2.root", b"timestamp"))
    parts = [
        *(("tables", "apn", number) for number in range(16)),
        ("tables", "emergency", 3),
        ("content", "greetings", 7),
        ("content", "themes", 0),
    ]
    lines = [
        head % f"/targets/{role}/{kind}/{DIGEST}.{number:02}.xz".encode()
        for role, kind, number in parts
    ]
    assert find_violations(start + b"".join(lines), b"h.example") == ()
    assert find_violations(start + lines[0] + lines[0], b"h.example")
    assert find_violations(start + lines[17] + lines[16], b"h.example")
    for path in ("tables/apn", "tables/emergency", "content/themes"):
        line = head % f"/targets/{path}/{DIGEST}.16.xz".encode()
        assert {found.rule for found in find_violations(start + line, b"h.example")} == {
            "request line"
        }
