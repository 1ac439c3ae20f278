"""Whether a pack has as much as one expects of it: a source that is cut off is only short."""

from signer.content.errors import ContentError
from signer.content.pack_folder import PackFolder

_SHARE = 5
_SHOWN = 10


def check_has_enough(made: PackFolder, before: PackFolder | None) -> None:
    """Raise ContentError for a pack without entries, or without more than a fifth of `before`.

    `before` is None where there is none, or the loss is accepted.
    """
    if not made.entries:
        raise ContentError(
            f"The pack {made.kind} would have no entry; is the source whole? A pack that nobody"
            " should use any more is withdrawn."
        )
    if before is None:
        return
    lost = sorted(before.entries.keys() - made.entries.keys())
    if len(lost) * _SHARE > len(before.entries):
        keys = ", ".join(lost[:_SHOWN]) + (", \u2026" if len(lost) > _SHOWN else "")
        raise ContentError(
            f"The pack {made.kind} would lose {len(lost)} of the {len(before.entries)} entries of"
            f" version {before.pack.version} ({keys}); if that is as it should be, give"
            " --accept-loss."
        )
