"""Where things lie in a server's state folder."""

from dataclasses import dataclass, field
from pathlib import Path

from server.storage.place import Place, PostgresAddress


@dataclass(frozen=True, slots=True)
class StateFolder:
    """The folder given as `--state`: keys, trust, submissions, blobs, database and public tree.

    `database_url` and `keys_socket` are the settings; empty for the SQLite file and the keys in
    the folder.
    """

    root: Path
    database_url: str = field(default="", repr=False)
    keys_socket: str = ""

    @property
    def settings(self) -> Path:
        """Settings that every command reads, where the operator wrote the file."""
        return self.root / "settings.toml"

    @property
    def keys(self) -> Path:
        """Online private keys, 0600, and `public.json` with their public halves.

        Where another process has the keys only `public.json` is here.
        """
        return self.root / "keys"

    @property
    def trusted_root(self) -> Path:
        """The root that the operator pinned; every later root is reached from it by signatures."""
        return self.root / "trusted" / "root.json"

    @property
    def incoming(self) -> Path:
        """Submission bundles that wait, one folder each, named by their id."""
        return self.root / "incoming"

    @property
    def results(self) -> Path:
        """What became of submissions, `ID.json` each."""
        return self.root / "results"

    @property
    def uploads(self) -> Path:
        """Bytes of uploads that are not whole yet, one file each, named by the upload's id."""
        return self.root / "uploads"

    @property
    def blobs(self) -> Path:
        """Packages and content by sha256."""
        return self.root / "blobs"

    @property
    def staging(self) -> Path:
        """The one publication that is under way, whole once it has this name."""
        return self.root / "staging" / "publication"

    @property
    def public(self) -> Path:
        """What phones see: `metadata/` and `log/`."""
        return self.root / "public"

    @property
    def database(self) -> Place:
        """Where the database is. Raises FormatError for a malformed `database_url`."""
        return PostgresAddress(self.database_url) if self.database_url else self.sqlite

    @property
    def sqlite(self) -> Path:
        """The SQLite file, where no other database is set."""
        return self.root / "hening.sqlite"

    @property
    def clock(self) -> Path:
        """Whether the machine's clock is doubted, and when somebody confirmed it."""
        return self.root / "clock.json"

    @property
    def run(self) -> Path:
        """What is there only while a server runs."""
        return self.root / "run"

    @property
    def urgent(self) -> Path:
        """The Unix socket by which commands have a running server stop something."""
        return self.run / "urgent.sock"

    @property
    def incomplete(self) -> Path:
        """There while this is a back-up that is not whole."""
        return self.root / "INCOMPLETE"

    @property
    def lock(self) -> Path:
        """The file whose lock the one active publisher holds."""
        return self.root / "publisher.lock"
