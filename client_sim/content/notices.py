"""Notices to all owners, and new features of the ROM: one schema for both."""

import datetime as dt
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from client_sim.content.kinds import (
    read_day,
    read_list,
    read_locales,
    read_match,
    read_object,
)
from client_sim.content.text import check_link, pick_text
from client_sim.device.errors import ContentError
from client_sim.device.release import is_codename

_KEY: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_SEVERITIES: Final = ("urgent", "important", "info")


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice in one language; `link` is None if it has none."""

    key: str
    severity: str
    published: str
    title: str
    body: str
    link: str | None


def check_notices(entries: Mapping[str, Any], hosts: Collection[str]) -> None:
    """Check the entries of a pack of notices or features; raises ContentError."""
    for key, entry in entries.items():
        read_match("A notice's key", key, _KEY)
        notice = read_object(
            "A notice",
            entry,
            ("body", "published", "severity", "title"),
            ("end", "link", "models"),
        )
        titles = read_locales("The title of a notice", notice["title"], 120)
        bodies = read_locales("The body of a notice", notice["body"], 2000, is_long=True)
        if titles.keys() != bodies.keys() or "en" not in titles:
            raise ContentError("A notice is not in the same languages throughout, with English.")
        if notice["severity"] not in _SEVERITIES:
            raise ContentError("A notice has an unknown severity.")
        read_day("The day of a notice", notice["published"])
        if "end" in notice:
            read_day("The end of a notice", notice["end"])
            if notice["end"] <= notice["published"]:
                raise ContentError("A notice ends before it is shown on any day.")
        if "link" in notice:
            check_link(notice["link"], hosts)
        if "models" in notice:
            for model in read_list("The models of a notice", notice["models"], 1, 64):
                if not isinstance(model, str) or not is_codename(model):
                    raise ContentError("A notice is for a model with an invalid codename.")


def list_notices(
    entries: Mapping[str, Any], locale: str, day: dt.date, codename: str
) -> list[Notice]:
    """Return the notices for a day and a model, sorted by severity, then the newest first.

    A notice is shown from its day until the day before its end.
    """
    today = day.isoformat()
    shown = [
        Notice(
            key=key,
            severity=entry["severity"],
            published=entry["published"],
            title=pick_text(entry["title"], locale),
            body=pick_text(entry["body"], locale),
            link=entry.get("link"),
        )
        for key, entry in sorted(entries.items())
        if entry["published"] <= today < entry.get("end", "9999-99-99")
        and codename in entry.get("models", (codename,))
    ]
    shown.sort(key=lambda notice: notice.published, reverse=True)
    return sorted(shown, key=lambda notice: _SEVERITIES.index(notice.severity))
