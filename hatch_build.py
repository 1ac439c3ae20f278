"""A build hook that adds the commit to wheels, for `--version`."""

import runpy
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CommitHook(BuildHookInterface[Any]):
    """Adds the commit of the checkout, if there is one, to the wheel's metadata."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the file `extra_metadata/commit`; an editable installation runs git instead."""
        root = Path(self.root)
        commit = runpy.run_path(str(root / "hening" / "commit.py"))["ask_git"](root)
        if commit and version != "editable":
            self._folder = tempfile.TemporaryDirectory()  # removed with this object
            file = Path(self._folder.name, "commit")
            file.write_text(f"{commit}\n", "utf-8")
            build_data["extra_metadata"][str(file)] = "commit"
