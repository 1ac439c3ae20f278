"""Which of this server's keys sign, and when a next key may take over. Pure.

Signers list keys offline; the server holds a current and perhaps a next one for each role. Root and
targets decide: if they list the current key, it signs, even if they list the next one as well. If
they list only the next one, it signs from that publication on.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime

from securesystemslib.signer import Signer
from tuf.api.metadata import Root, Targets

from server.core.latest import delegated_roles
from server.core.metadata import check_expiry
from server.core.profile import log_verifier
from server.publisher.errors import MissingKeyError, PublishError
from server.publisher.keys.online_keys import HOLDERS, ROLES, OnlineKeys
from server.publisher.published import Trust

CACHE_SECONDS = 75
"""How long a cached answer may say that there is no next root: 60 s in caches, and some slack."""


@dataclass(frozen=True, slots=True)
class KeyState:
    """The keys of one role or of the log, by id; `following` is empty without a next key.

    `listed` holds those of the two keys that root or targets name, `signing` the keys that sign.
    """

    name: str
    current: str
    following: str
    listed: tuple[str, ...]
    signing: tuple[str, ...]


def choose_keys(keys: OnlineKeys, root: Root, targets: Targets) -> OnlineKeys:
    """Return the keys with `signers` set, for each role, to the key that is listed and signs.

    Raises MissingKeyError for a role if `root` and `targets` list neither of its keys.
    """
    check_root_keys(root, keys)
    signers = {role: _choose(role, keys, listed_keys(role, root, targets)) for role in ROLES}
    return replace(keys, signers=signers)


def check_root_keys(root: Root, keys: OnlineKeys) -> None:
    """Raise MissingKeyError unless `root` names this server's snapshot, timestamp and log keys."""
    for role in ("snapshot", "timestamp"):
        _choose(role, keys, root.roles[role].keyids)
    check_log_key(root, keys)


def check_log_key(root: Root, keys: OnlineKeys) -> None:
    """Raise MissingKeyError unless `root` names one of this server's keys of the log."""
    if log_verifier(root) not in {key.verifier for key in keys.log_keys}:
        raise MissingKeyError(
            "this server's log key is not the one that root names: run `hening-server keys new log`"
            " and sign a root with its public.json."
        )


def check_signable(keys: OnlineKeys, trust: Trust, now: datetime) -> None:
    """Raise TrustError unless phones accept, at `now`, signatures of `keys` under `trust`."""
    choose_keys(keys, trust.root, trust.targets)
    check_expiry("root", trust.root, now)
    check_expiry("targets", trust.targets, now)


def describe_keys(keys: OnlineKeys, trust: Trust | None) -> list[KeyState]:
    """Return the state of each role's keys, and of the log's, under the published `trust`."""
    states = []
    for name in HOLDERS:
        held = _held(name, keys)
        listed: Collection[str] = (
            () if trust is None else listed_keys(name, trust.root, trust.targets)
        )
        usable = tuple(key for key in held if key in listed)
        states.append(
            KeyState(
                name,
                held[0],
                held[1] if len(held) > 1 else "",
                usable,
                held if name == "log" else usable[:1],
            )
        )
    return states


def plan_next(
    keys: OnlineKeys, trust: Trust | None, names: Collection[str], *, afresh: bool
) -> list[str]:
    """Return those of `names` whose existing next key is kept; none of them if `afresh`.

    A next key that is listed beside the current one may be discarded: the current one signs. Raises
    PublishError for a next key that is listed alone, because it signs already.
    """
    found = [state for state in describe_keys(keys, trust) if state.name in names]
    alone = [state.name for state in found if state.listed == (state.following,)]
    if alone:
        raise PublishError(
            f"the next key of {', '.join(alone)} is listed alone and signs already: run"
            f" `hening-server keys switch {' '.join(alone)}{' --at-once' if afresh else ''}` before"
            " you make another."
        )
    return [state.name for state in found if state.following and not afresh]


def plan_switch(
    keys: OnlineKeys, trust: Trust, names: Collection[str], root_age: float, *, at_once: bool
) -> list[str]:
    """Return those of `names` whose next key may become the current one; skip names without one.

    `root_age` is the number of seconds that the published root has been public. A phone with an
    older cached answer still trusts only the former key, so a switch waits for `CACHE_SECONDS`. It
    does not wait if `at_once`, or if the former key is no longer listed and so does not sign. For
    latest it never waits: its keys come with targets, and therefore with the timestamp. Raises
    PublishError if a next key may not take over yet.
    """
    switching = []
    for state in describe_keys(keys, trust):
        if state.name not in names or not state.following:
            continue
        if state.following not in state.listed:
            where = "targets" if state.name == "latest" else "root"
            raise PublishError(
                f"the published {where} does not list the next key of {state.name} yet: have it"
                " signed with the server's public.json, and submit it."
            )
        # Until now all keys of the log sign, whichever of them root names.
        overlaps = state.name == "log" or state.current in state.listed
        if overlaps and state.name != "latest" and not at_once and root_age < CACHE_SECONDS:
            raise PublishError(
                f"the root that lists the next key of {state.name} is public for less than"
                f" {CACHE_SECONDS} s, and caches may hide it: wait, or use --at-once after a theft."
            )
        switching.append(state.name)
    return switching


def discard_next(keys: OnlineKeys, names: Collection[str]) -> OnlineKeys:
    """Return the keys without the next keys of `names`."""
    following = {role: key for role, key in keys.next_signers.items() if role not in names}
    return replace(keys, next_signers=following, next_log=None if "log" in names else keys.next_log)


def promote_next(keys: OnlineKeys, names: Collection[str]) -> OnlineKeys:
    """Return the keys with the next keys of `names` in place of the current ones."""
    taking_over = {role: key for role, key in keys.next_signers.items() if role in names}
    log = keys.next_log if "log" in names and keys.next_log is not None else keys.log
    return discard_next(replace(keys, signers={**keys.signers, **taking_over}, log=log), names)


def _choose(role: str, keys: OnlineKeys, listed: Collection[str]) -> Signer:
    for signer in (keys.signers[role], keys.next_signers.get(role)):
        if signer is not None and signer.public_key.keyid in listed:
            return signer
    where = "targets" if role == "latest" else "root"
    raise MissingKeyError(
        f"this server's key for {role} is not among those that {where} allows: run `hening-server"
        f" keys new {role}` and sign {where} with its public.json."
    )


def listed_keys(name: str, root: Root, targets: Targets) -> Collection[str]:
    """Return the ids of the keys of a role or the log: root names them, targets those of latest."""
    if name == "log":
        return (str(log_verifier(root)),)
    if name != "latest":
        return root.roles[name].keyids
    roles = delegated_roles(targets)
    return roles["latest"].keyids if roles else ()


def _held(name: str, keys: OnlineKeys) -> tuple[str, ...]:
    if name == "log":
        return tuple(str(key.verifier) for key in keys.log_keys)
    signers = [keys.signers[name], keys.next_signers.get(name)]
    return tuple(signer.public_key.keyid for signer in signers if signer is not None)
