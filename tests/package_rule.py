"""Rules of an OTA package, and changes of a draft that several kinds of rules use."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from fixtures.zip_writer import Member
from tests.package_drafts import Draft, full, put, step


@dataclass(frozen=True)
class Rule:
    """Builds an accepted and a refused package for a rule.

    With `by_signer` only the signer has the rule, and a phone accepts both packages. With
    `of_manifest` only the manifests are checked, because the data would be too large to write.
    `limits` are constants of both sides that the test lowers for the same reason.
    """

    accepted: Callable[[], Draft]
    refused: Callable[[], Draft]
    by_signer: bool = False
    of_manifest: bool = False
    limits: dict[str, int] = field(default_factory=dict)


def _made(make, *changes):
    """Return a function that makes a draft and changes it."""

    def built():
        draft = make()
        for change in changes:
            change(draft)
        return draft

    return built


def make_rule(make, accept, refuse, **options):
    """Return a rule from a change of a package that is accepted, and one that is refused."""
    return Rule(_made(make, accept), _made(make, refuse), **options)


of_full, of_step = partial(make_rule, full), partial(make_rule, step)
of_signer = partial(of_full, by_signer=True)


def same(_):
    """Change nothing."""


def all_of(*changes):
    """Return a change that applies these changes in order."""

    def change(draft):
        for each in changes:
            each(draft)

    return change


def add_entries(*members):
    """Return a change that adds entries to the zip."""
    return lambda draft: draft.members.extend(members)


def add_entry(name, data=b"x", **lies):
    """Return a change that adds an entry; `lies` are false members of its headers."""
    return add_entries(Member(name, data, **lies))


def set_manifest(at, value, wire=None):
    """Return a change that sets a field of the manifest."""
    return lambda draft: put(draft.manifest, at, value, wire)
