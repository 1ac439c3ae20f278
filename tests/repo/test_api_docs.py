"""docs/reference/api.md matches the code."""

import ast
import re
from pathlib import Path

from server.release.api import decode, listener, operation, pagination
from server.release.api.problems import STATUSES
from server.release.rollouts import commands

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "api.md").read_text(encoding="utf-8")
ROLLOUTS = (ROOT / "docs" / "reference" / "rollouts.md").read_text(encoding="utf-8")


def answered():
    """Return name and status of every problem in the code: of error classes and of literals."""
    found = {(name, status) for _, status, name in STATUSES} | {("failure", 500)}
    for path in (ROOT / "server" / "release").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "ProblemError":
                status, name = (argument.value for argument in node.args[:2])
                found.add((name, status))
    return found


def test_table_of_problems():
    """The table lists the names and statuses of all problem documents, each once."""
    rows = re.findall(r"^\| ((?:`[\w-]+`(?:, )?)+) \| (\d{3}) \|", PAGE, re.MULTILINE)
    documented = [
        (name, int(status)) for names, status in rows for name in re.findall(r"`([\w-]+)`", names)
    ]
    assert len(documented) == len(set(documented))
    assert set(documented) == answered()


def test_limits():
    """Numbers in the prose equal the code's constants."""
    limits = (operation.BODY_LIMIT, operation.WIDE_BODY_LIMIT, operation.URGENT_BODY_LIMIT)
    assert limits == (16 * 1024, 64 * 1024, 4 * 1024)
    assert "of at most 16 KiB, 64 KiB for accounts, 4 KiB for halts, pauses and cancels" in PAGE
    assert f"have at most {commands.MAX_WORDS:,} bytes together" in ROLLOUTS
    line = (
        f"{listener.LINE_LIMIT:,} bytes a line, {listener.HEADER_LIMIT} headers,"
        f" {listener.HEAD_LIMIT // 1024} KiB a head;"
        f" {listener.IDLE_SECONDS:.0f} s for a head or between requests,"
        f" {decode.BODY_SECONDS:.0f} s for a body of JSON; `api_connections` connections"
    )
    assert line in PAGE
    assert f"an answer for {listener.STALL_SECONDS:.0f} s is cut off" in PAGE
    assert f"`limit` is 1 to {pagination.MAX_LIMIT}" in PAGE
