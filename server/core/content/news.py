"""Entries of `features` and `notices`: new functions of the ROM, and notices to all owners.

Source: docs/FORMATS.md section 15.
"""

import re
from collections.abc import Collection
from typing import Annotated, Literal

import msgspec

from server.core.content.kinds import convert_entries
from server.core.content.part import Entries
from server.core.content.text import Localized, check_link, check_localized
from server.core.names import check_codename
from server.core.release import Day, check_day

KEY = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
Severity = Literal["info", "important", "urgent"]


class News(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A notice with title and body by locale, for all models or `models`; `end` is exclusive."""

    body: Localized
    published: Day
    severity: Severity
    title: Localized
    end: Day | msgspec.UnsetType = msgspec.UNSET
    link: str | msgspec.UnsetType = msgspec.UNSET
    models: Annotated[list[str], msgspec.Meta(min_length=1, max_length=64)] | msgspec.UnsetType = (
        msgspec.UNSET
    )

    def __post_init__(self) -> None:
        check_localized(self.title, 120)
        check_localized(self.body, 2000, lines=True)
        if self.title.keys() != self.body.keys() or "en" not in self.title:
            raise ValueError("title and body must have the same locales, including en")
        check_day(self.published)
        if self.end is not msgspec.UNSET:
            check_day(self.end)
            if self.end <= self.published:
                raise ValueError(
                    "end must be after published: it is the first day without the notice"
                )
        for model in self.models or ():
            check_codename(model)


def check_entries(kind: str, entries: Entries, hosts: Collection[str]) -> None:
    """Raise FormatError unless the entries are a pack of `kind` that links only to `hosts`."""

    def check(key: str, news: News) -> None:
        if KEY.fullmatch(key) is None:
            raise ValueError("the key is not of lower-case letters, digits and `-`")
        if news.link is not msgspec.UNSET:
            check_link(news.link, hosts)

    convert_entries(kind, entries, News, check)
