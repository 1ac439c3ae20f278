"""The layout of a server's state folder."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from server.storage.place import Place, PostgresAddress

if TYPE_CHECKING:
    from server.storage.s3_client import S3Place


@dataclass(frozen=True, slots=True)
class StateFolder:
    """The folder given as `--state`: keys, trust, submissions, blobs, database and public tree.

    `database_url` and `keys_socket` are the settings; empty for the SQLite file and the keys in
    the folder. `tree` is where several machines share what is public; None where this folder alone
    has it.
    """

    root: Path
    database_url: str = field(default="", repr=False)
    keys_socket: str = ""
    tree: "S3Place | None" = None

    @property
    def settings(self) -> Path:
        """Settings that every command reads, if the operator wrote the file."""
        return self.root / "settings.toml"

    @property
    def keys(self) -> Path:
        """Online private keys, 0600, and `public.json` with their public halves.

        With a key process only `public.json` is here.
        """
        return self.root / "keys"

    @property
    def trusted_root(self) -> Path:
        """The root that the operator pinned; every later root is reached from it by signatures."""
        return self.root / "trusted" / "root.json"

    @property
    def incoming(self) -> Path:
        """Waiting submission bundles, one folder each, named by their id."""
        return self.root / "incoming"

    @property
    def fetched(self) -> Path:
        """Copies of bundles that wait in S3, `RECEIPT/ID/` each; can be removed at any time."""
        return self.root / "fetched"

    @property
    def results(self) -> Path:
        """The results of submissions, `ID.json` each."""
        return self.root / "results"

    @property
    def uploads(self) -> Path:
        """Bytes of unfinished uploads, one file each, named by the upload's id."""
        return self.root / "uploads"

    @property
    def blobs(self) -> Path:
        """Packages and content by sha256."""
        return self.root / "blobs"

    @property
    def staging(self) -> Path:
        """The one publication under way, complete once it has this name."""
        return self.root / "staging" / "publication"

    @property
    def public(self) -> Path:
        """What phones see: `metadata/` and `log/`; a copy where `tree` is set."""
        return self.root / "public"

    @property
    def good(self) -> Path:
        """The pointers of the last tree that was verified, on a node that serves from a copy."""
        return self.root / "good"

    @property
    def database(self) -> Place:
        """The place of the database. Raises FormatError for a malformed `database_url`."""
        return PostgresAddress(self.database_url) if self.database_url else self.sqlite

    @property
    def sqlite(self) -> Path:
        """The SQLite file, unless another database is set."""
        return self.root / "hening.sqlite"

    @property
    def clock(self) -> Path:
        """Whether the machine's clock is doubted, and when an operator confirmed it."""
        return self.root / "clock.json"

    @property
    def run(self) -> Path:
        """Files that exist only while a server runs."""
        return self.root / "run"

    @property
    def urgent(self) -> Path:
        """The Unix socket by which commands stop something through a running server."""
        return self.run / "urgent.sock"

    @property
    def incomplete(self) -> Path:
        """Exists while this is an incomplete backup."""
        return self.root / "INCOMPLETE"

    @property
    def lock(self) -> Path:
        """The file whose lock the one active publisher holds."""
        return self.root / "publisher.lock"
