"""Parameter types that several commands use, and shell completion for parts of channels."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import click
import msgspec

from server.core.encodings import check_sha256
from server.core.errors import HeningError
from server.core.names import (
    Channel,
    check_codename,
    check_role,
    decode_channel,
    decode_release_path,
)
from server.place_options import find_completed
from signer.errors import SignerError
from signer.keys.key_name import check_key_name

T = TypeVar("T")

# The command itself reports an unreadable folder, because that is not a usage error.
FOLDER = click.Path(file_okay=False, readable=False, path_type=Path)
EXISTING_FILE = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)
EXISTING_FOLDER = click.Path(exists=True, file_okay=False, readable=True, path_type=Path)
PACKAGE = click.Path(exists=True, readable=True, path_type=Path)


def read_limited(path: Path, limit: int) -> bytes:
    """Return at most `limit` + 1 bytes of a file, so that a larger file can be refused."""
    with path.open("rb") as file:
        return file.read(limit + 1)


def expand_packages(
    _context: click.Context, _parameter: click.Parameter, paths: tuple[Path, ...]
) -> tuple[Path, ...]:
    """Return the named files, and the files below the named folders."""
    found = [sorted(path.rglob("*")) if path.is_dir() else [path] for path in paths]
    return tuple(path for each in found for path in each if path.is_file())


class CheckedText(click.ParamType[str]):
    """Text that `check` accepts; `advice` describes the form if the error of `check` does not."""

    def __init__(self, name: str, check: Callable[[str], object], advice: str = "") -> None:
        self.name = name
        self._check = check
        self._advice = advice

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text unchanged, or fail with the message of the check."""
        try:
            self._check(value)
        except (SignerError, HeningError) as error:
            self.fail(self._advice or str(error), param, ctx)
        return value


def _check_role_key(text: str) -> None:
    role, colon, keyid = text.partition(":")
    if not colon:
        check_key_name(text)
        return
    check_role(role)
    check_sha256(keyid)


KEY_NAME = CheckedText("NAME", check_key_name)
ROLE_KEY = CheckedText(
    "NAME",
    _check_role_key,
    "Give the name of a key, such as armani-2, or ROLE:KEYID with all 64 digits of the key id.",
)
CODENAME = CheckedText("CODENAME", check_codename)
SEGMENT = CheckedText(
    "NAME",
    lambda text: decode_channel(f"codename/{text}/channel"),
    "Use lower-case letters, digits and `-`, at most 16.",
)


class TextAssignment(click.ParamType[tuple[str, str]]):
    """`NAME=TEXT`, as a pair."""

    name = "NAME=TEXT"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Split at the first equals sign."""
        name, equals, text = value.partition("=")
        if not name or not equals:
            self.fail(f"{value!r} is not of the form NAME=TEXT.", param, ctx)
        return name, text


class ChangelogText(TextAssignment):
    """`LOCALE=TEXT`, as a pair."""

    name = "LOCALE=TEXT"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Split at the first equals sign and check both halves."""
        from server.core.names import Locale
        from server.core.release import Changelog

        locale, text = super().convert(value, param, ctx)
        try:
            msgspec.convert(locale, Locale)
        except msgspec.ValidationError:
            self.fail(f"{locale[:32]!r} is not a locale such as en or zh-TW.", param, ctx)
        try:
            msgspec.convert({locale: text}, Changelog)
        except msgspec.ValidationError:
            self.fail(
                f"The text for {locale} is too long; give at most 4000 characters.", param, ctx
            )
        return locale, text


class LabelAssignment(TextAssignment):
    """`NAME=TEXT` of a label, as a pair."""

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Split at the first equals sign and check both halves."""
        from server.core.release import Labels

        name, text = super().convert(value, param, ctx)
        try:
            msgspec.convert({name: text}, Labels)
        except msgspec.ValidationError:
            self.fail(
                f"{value[:48]!r} is not a label; NAME is like lineage.version, TEXT one line of at"
                " most 1024 characters.",
                param,
                ctx,
            )
        return name, text


class NumberAssignment(click.ParamType[tuple[str, int]]):
    """`NAME=N`, as a pair of a name and an integer from 1 to `largest`."""

    name = "NAME=N"

    def __init__(self, largest: int) -> None:
        self._largest = largest

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        """Split at the first equals sign and read the number."""
        name, equals, text = value.partition("=")
        number = int(text) if text.isascii() and text.isdigit() and len(text) <= 6 else 0
        if not name or not equals or not 1 <= number <= self._largest:
            self.fail(
                f"{value!r} is not of the form NAME=N with N from 1 to {self._largest}.", param, ctx
            )
        return name, number


def collected(
    _context: click.Context, parameter: click.Parameter, pairs: Sequence[tuple[str, T]]
) -> dict[str, T]:
    """Return the pairs of a repeated option as a dict; raises UsageError for a repeated name."""
    found = dict(pairs)
    if len(found) != len(pairs):
        is_option = isinstance(parameter, click.Option)
        name = parameter.opts[0] if is_option else str(parameter.metavar).removesuffix("...")
        raise click.UsageError(f"{name} is given twice for one name.")
    return found


def complete_channel(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[str]:
    """Return the channels of signed releases; an empty list without a working folder."""
    return sorted(each for each in map(str, _list_channels(context)) if each.startswith(incomplete))


def complete_part(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Return the values of `--codename`, `--region` or `--channel` in signed releases.

    Only values that match the others of these options are returned, if those are given already.
    """
    option = str(parameter.name)
    found = set()
    for channel in _list_channels(context):
        parts = {
            "codename": channel.codename,
            "region": channel.region,
            "channel": channel.channel,
        }
        part = parts.pop(option)
        if all(context.params.get(name) in (None, other) for name, other in parts.items()):
            found.add(part)
    return sorted(part for part in found if part.startswith(incomplete))


def _list_channels(context: click.Context) -> set[Channel]:
    from signer.release.sign import list_releases
    from signer.work_folder import WorkFolder

    repo = find_completed(context, "repo")
    if repo is None:
        return set()
    try:
        listed = list_releases(WorkFolder(repo))
    except (SignerError, HeningError, OSError):  # reported when the command runs
        return set()
    return {decode_release_path(path)[0] for role in listed for path in role.releases}
