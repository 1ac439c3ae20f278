"""docs/reference/cloud-policy.md: each number of a policy, and what the code does with it."""

import re
from pathlib import Path

from server.core.cloud_policy import Deadlines, Lifetimes, Policy

PAGE = (Path(__file__).parents[4] / "docs" / "reference" / "cloud-policy.md").read_text(
    encoding="utf-8"
)
ABOUT = {"schema", "region", "controller", "laws", "purposes", "receipts"}


def test_each_number_of_a_policy_is_in_the_table():
    """What only describes is not, and nothing else is."""
    table = PAGE.partition("## Which number is enforced where")[2].partition("\n## ")[0]
    cells = re.findall(r"^(\|[^|]+)", table, re.MULTILINE)
    named = set(re.findall(r"`([a-z_.]+)`", "".join(cells)))
    parts = {"hours": Deadlines, "days": Lifetimes}
    members = {
        member if part is None else f"{member}.{part}"
        for member in Policy.__struct_encode_fields__
        for part in (parts[member].__struct_fields__ if member in parts else (None,))
    }
    assert named == members - ABOUT
