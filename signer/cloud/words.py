"""Describes a policy in plain words, for its signer and the region's operator."""

from hening.times import show_second
from server.core.cloud_policy import Policy


def describe_policy(policy: Policy) -> list[tuple[str, str]]:
    """Return pairs of a subject and what the policy says about it."""
    hours, days = policy.hours, policy.days
    laws = "; ".join(f"{law.name} ({', '.join(law.articles)})" for law in policy.laws)
    return [
        ("Region", f"{policy.region}, version {policy.version}, from {show_second(policy.starts)}"),
        ("Controller", f"{policy.controller.name}, {policy.controller.contact}"),
        ("Laws", laws),
        ("Data live in", _places(policy)),
        ("Age", _age(policy)),
        ("Used for", ", ".join(policy.purposes)),
        ("Access and export", f"within {hours.access} h and {hours.export} h"),
        ("Erasure", f"over {hours.erase} h after it is asked for"),
        ("Withdrawn consent", f"nothing is processed {hours.stop_after_withdrawal} h later"),
        ("Breach", f"owners are notified within {hours.breach_notice} h"),
        (
            "Unused account",
            f"is announced after {days.inactive} days, and erased {days.notice} days later",
        ),
        ("Erased name", f"not given out again for {days.quarantine} days"),
        ("Old revisions", f"{days.revisions} days; deleted items leave a mark {days.tombstones}"),
        ("Backups", f"destroyed after {days.backups} days"),
        ("Unused session", f"ends after {days.session_idle} days"),
        ("Records of erasures", f"{policy.logs_days} days after the last backup is gone"),
        ("Texts", ", ".join(f"{name} {hash_[:16]}…" for name, hash_ in policy.text.items())),
        ("Key of receipts", policy.receipts or "not named; a phone keeps the first it sees"),
    ]


def _places(policy: Policy) -> str:
    others = [name for name in policy.may_live_in if name != policy.country]
    if not others:
        return f"{policy.country} alone"
    return f"{policy.country}, or {', '.join(others)} by {policy.transfer.basis}"


def _age(policy: Policy) -> str:
    if policy.guardian_below > policy.minimum_age:
        return f"{policy.minimum_age} and above; below {policy.guardian_below} a guardian agrees"
    return f"{policy.minimum_age} and above" if policy.minimum_age else "any"
