"""The vectors of docs/FORMATS.md."""

import re
from pathlib import Path

PAGE = (Path(__file__).parents[3] / "docs/FORMATS.md").read_text(encoding="utf-8")


def section(number):
    """Return the text of a numbered section."""
    return re.search(rf"^## {number}\. .*?(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)[0]


def json_vector(number):
    """Return the bytes of a section's JSON vector and the sha256 that is stated for them."""
    text = section(number)
    data = re.search(r"^```json\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)[1].encode()
    return data, re.search(r"^(?:sha256|ID) `([0-9a-f]{64})`", text, re.MULTILINE)[1]


def bucket_rows():
    """Return secret, codename, region, channel, counter and bucket of each vector."""
    for secret, names, counter, bucket in re.findall(
        r"^\| `(00\.\.1f|ff . 32)` \| (.*?) \| (\d+) \| (\d+) \|$", section(4), re.MULTILINE
    ):
        data = bytes(range(32)) if secret == "00..1f" else b"\xff" * 32
        yield data, *re.findall(r"`([^`]+)`", names), int(counter), int(bucket)
