"""Pack folders made of the core's valid entries."""

from signer.content.pack_folder import make_pack
from tests.server.core.content.samples import PICTURE, entries_of, pack


def make(kind, entries=None, base=None, pictures=None, **members):
    """Return a valid pack of a kind, with changed members of the index."""
    chosen = entries_of(kind) if entries is None else entries
    shown = {"waves": PICTURE} if kind == "wallpapers" and pictures is None else pictures
    return make_pack(kind, pack(**members), chosen, shown or {}, base)
