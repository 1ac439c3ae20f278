"""Shared parts of the cloud's commands: options, network access, and their output."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from client_sim.clock import read_clock, read_entropy
from client_sim.device.image import load_image
from client_sim.device.internet import connect_plain, connect_tls, resolve
from client_sim.device.options import AS_JSON, FILE, PHONE, RESOLVE, print_json
from client_sim.device.reset import finish_reset
from client_sim.world import Stream

if TYPE_CHECKING:
    from client_sim.cloud.account import Cloud

REGION: Final = click.option("--region", required=True, help="The region of the account.")
NAME: Final = click.option("--name", required=True, help="The account's name.")
LABEL: Final = click.option(
    "--label", default="phone", help="A label for this phone; sent encrypted."
)
LOCALE: Final = click.option("--locale", default="en", help="The language of the policy's text.")
AGE: Final = click.option(
    "--age", required=True, type=click.IntRange(0, 150), help="An age that you have reached."
)
GUARDIAN: Final = click.option("--guardian", is_flag=True, help="A guardian agrees, too.")
YES: Final = click.option("--yes", "is_sure", is_flag=True, help="Do not ask.")


def password_option(name: str, description: str, *, is_new: bool = False) -> Callable[..., Any]:
    """Return an option that reads a password from a file or, without it, from a hidden prompt."""

    def read(context: click.Context, _parameter: click.Parameter, path: Path | None) -> str:
        if path is not None:
            return path.read_text(encoding="utf-8").rstrip("\n")
        if context.resilient_parsing:
            return ""
        if is_new:
            from client_sim.cloud.recovery import propose_password

            click.echo(f"For example: {propose_password(read_entropy)}", err=True)
        typed = click.prompt(description, hide_input=True, confirmation_prompt=is_new, err=True)
        return str(typed)

    flag = f"--{name.replace('_', '-')}-file"
    return click.option(
        flag, name, type=FILE, callback=read, help=f"A file that contains {description}."
    )


PASSWORD: Final = password_option("password", "the account's password")
NEW_PASSWORD: Final = password_option("new_password", "a new password", is_new=True)


class Internet:
    """This machine's sockets, name resolution, clock and randomness, for one phone's cloud."""

    def __init__(self, resolver: Mapping[str, Sequence[str]], authority: str | None) -> None:
        self._resolver = resolver
        self._authority = authority

    def entropy(self, n: int) -> bytes:
        """Return `n` random bytes."""
        return read_entropy(n)

    def now(self) -> float:
        """Return epoch seconds."""
        return read_clock()

    def resolve(self, host: str) -> Sequence[str]:
        """Return the addresses of a host; raises OSError if it cannot be resolved."""
        return self._resolver.get(host) or resolve(host)

    def connect(self, address: str, port: int, tls: str | None) -> Stream:
        """Connect, with TLS to the host name `tls` unless it is None; raises OSError.

        Without TLS, only addresses of this machine are allowed.
        """
        if tls is None:
            return connect_plain(address, port)
        return connect_tls(address, port, tls, self._authority)


@contextmanager
def open_cloud(
    folder: Path, resolver: Mapping[str, Sequence[str]] | None = None
) -> Iterator["Cloud"]:
    """Open the cloud of the phone in `folder`; raises CloudError or DeviceError."""
    from client_sim.cloud.account import Cloud, load_regions

    image = load_image(folder / "image")
    finish_reset(folder)
    cloud = Cloud(folder, Internet(resolver or {}, image.authority), load_regions(folder))
    try:
        yield cloud
    finally:
        cloud.store.close()


@dataclass(frozen=True, slots=True)
class Result:
    """A command's result: JSON value, sentence, what has left the phone, and exit status."""

    value: object
    sentence: str
    sent: str = ""
    status: int = 0


def command(
    name: str, example: str = "", *, sends: bool = True, takes_uid: bool = False
) -> Callable[[Callable[..., Result]], click.Command]:
    """Turn a function that takes the phone's cloud and its own options into a command.

    `example` holds the arguments after `--phone` in the help's example. A command without `sends`
    has no option `--resolve`. A command with `takes_uid` has no short options, since a UID may
    begin with a dash.
    """
    settings = (
        {"ignore_unknown_options": True, "help_option_names": ["--help"]} if takes_uid else None
    )

    def wrap(function: Callable[..., Result]) -> click.Command:
        @wraps(function)
        def run(
            folder: Path,
            as_json: bool,
            resolve: Mapping[str, list[str]] | None = None,
            **arguments: Any,
        ) -> None:
            with open_cloud(folder, resolve) as cloud:
                result = function(cloud, **arguments)
                _print_result(cloud, result, as_json=as_json)
            if result.status:
                raise SystemExit(result.status)

        decorated: Callable[..., Any] = AS_JSON(run)
        decorated = PHONE(RESOLVE(decorated) if sends else decorated)
        words = f"hening-device cloud {name} --phone var/phone {example}".rstrip()
        return click.command(name, epilog=f"\b\nExample:\n  {words}\n", context_settings=settings)(
            decorated
        )

    return wrap


def is_quiet() -> bool:
    """Return whether the running command prints JSON."""
    return bool(click.get_current_context().params["as_json"])


def _print_result(cloud: "Cloud", result: Result, *, as_json: bool) -> None:
    if as_json:
        sent = {"bytes": cloud.sent, "requests": cloud.requests}
        print_json({"result": result.value, "sent": sent})
        return
    click.echo(result.sentence)
    if cloud.requests:
        size = f"{cloud.sent} bytes, {cloud.requests} requests"
        click.echo(f"Left the phone: {result.sent} ({size}).")
    else:
        click.echo("Nothing was sent.")
