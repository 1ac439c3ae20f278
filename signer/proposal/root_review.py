"""Says in words what a new root changes beside keys: the log's key, lifetimes and resets."""

from collections.abc import Iterator

from msgspec import to_builtins
from tuf.api.metadata import Root, Targets

from hening.times import show_second
from server.core.limits import MAX_LIFETIME_DAYS, Lifetimes, decode_lifetimes
from server.core.resets import Reset, decode_resets, reset_number

_KINDS = {
    "codenames": "a model's role",
    "content": "content",
    "tables": "tables",
    "targets": "targets",
}


def describe_root(old: Root | None, new: Root) -> Iterator[str]:
    """Yield what changes from one root to the next, or what the first one says."""
    before, after = None if old is None else _log_key(old), _log_key(new)
    if before != after:
        verb = "Names" if before is None else "Replaces the log key: names"
        yield f"{verb} {after} as the key of the transparency log."
    was = to_builtins(Lifetimes() if old is None else decode_lifetimes(old))
    for kind, days in to_builtins(decode_lifetimes(new)).items():
        if days != was[kind]:
            unlimited = " (the most there is)" if days == MAX_LIFETIME_DAYS else ""
            yield f"A new version of {_KINDS[kind]} may be valid for {days} days{unlimited}."
    known = {} if old is None else decode_resets(old)
    for role, reset in sorted(decode_resets(new).items()):
        if reset != known.get(role):
            yield _describe_reset(role, reset)


def describe_followed_reset(old: Targets | None, new: Targets) -> Iterator[str]:
    """Yield which reset a role follows, where that is another one than before."""
    number = reset_number(new)
    if number != (0 if old is None else reset_number(old)):
        yield f"Follows reset {number} of root: what it forbids is gone, as if it had never been."


def _describe_reset(role: str, reset: Reset) -> str:
    if reset.counter is None or reset.time is None:
        return f"Resets {role} ({reset.number}): phones forget all packs that they hold of it."
    return (
        f"Resets {role} ({reset.number}): no counter above {reset.counter} and no time after"
        f" {show_second(reset.time)} counts any more, on the server and on phones."
    )


def _log_key(root: Root) -> str:
    key: str = root.unrecognized_fields["custom"]["log"]
    return key
