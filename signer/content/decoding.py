"""Whether pictures show something: what no walk through their segments can tell."""

import io

from PIL import Image

from server.core.content.entry import entry_error
from signer.content.errors import ContentError
from signer.content.pack_folder import PackFolder
from signer.errors import refusing


def check_decodes(pack: PackFolder) -> None:
    """Raise ContentError, with kind and key, for a picture that cannot be decoded to its end."""
    for key, picture in pack.pictures.items():
        with refusing(ContentError):
            try:
                with Image.open(io.BytesIO(picture), formats=("JPEG",)) as image:
                    image.load()
            except (OSError, SyntaxError, ValueError) as error:
                reason = f"its picture cannot be shown: {error}"
                raise entry_error(pack.kind, key, reason) from error
