import time

import click
import pytest

from hening.times import UTC_TIMES, show_second, show_time, use_utc


@pytest.fixture
def jakarta(monkeypatch):
    """Set the time zone to Jakarta, seven hours ahead of UTC."""
    monkeypatch.setenv("TZ", "Asia/Jakarta")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_show_second():
    """A time is shown as `date -u -d @SECONDS` does; one after the year 9999 is a number."""
    for seconds, shown in (
        (0, "1970-01-01 00:00:00 UTC"),
        (1768096800, "2026-01-11 02:00:00 UTC"),
        (253402300799, "9999-12-31 23:59:59 UTC"),
        (253402300800, "253402300800 s after 1970"),
        (2**63, "9223372036854775808 s after 1970"),
    ):
        assert show_second(seconds) == shown


@pytest.mark.usefixtures("jakarta")
@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ([], "2026-01-11 09:00 WIB 2026-01-11 09:00:00 WIB"),
        (["--utc"], "2026-01-11 02:00 UTC 2026-01-11 02:00:00 UTC"),
        (["--json"], "2026-01-11 02:00 UTC 2026-01-11 02:00:00 UTC"),
    ],
)
def test_times_are_local_or_utc(capsys, arguments, shown):
    """Times are local, but UTC with `--utc` and in JSON."""

    @click.command()
    @UTC_TIMES
    @click.option("--json", "as_json", is_flag=True)
    def command(as_json):
        if as_json:
            use_utc()
        click.echo(f"{show_time(1768096800)} {show_second(1768096800)}")

    command.main(arguments, standalone_mode=False)
    assert capsys.readouterr().out == f"{shown}\n"
    # The local time would have a year of five digits.
    assert show_second(253402300799) == "9999-12-31 23:59:59 UTC"
