"""What commands on key folders share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from signer.cli.parameters import CheckedText
from signer.keys.key_name import check_holder

if TYPE_CHECKING:
    from signer.keys.keystore import Keystore

HOLDER = CheckedText("HOLDER", check_holder)


def open_keystore(folder: Path) -> Keystore:
    """Return a key folder whose tokens are logged out when the command ends."""
    from signer.keys.keystore import Keystore

    return click.get_current_context().with_resource(Keystore(folder))
