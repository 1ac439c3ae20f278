"""PostgreSQL: addresses, passwords in messages, timeouts, and several hosts."""

import socket

import pytest

from server.core.errors import FormatError
from server.storage.database import migrate
from server.storage.engine import make_engine
from server.storage.errors import StorageError
from server.storage.layout import PostgresAddress
from tests.cases import case
from tests.postgres import PASSWORD


def test_invalid_addresses():
    """An address of another form is refused, and the message does not contain it."""
    for url in (
        *("mysql://root@localhost/hening", "postgresql+asyncpg://hening@localhost/hening"),
        *("postgresql://hening@localhost", "postgresql://hening@localhost/", "hening"),
        "postgresql://hening@localhost:port/hening",
    ):
        with case(url), pytest.raises(FormatError) as found:
            PostgresAddress(url)
        assert str(found.value).startswith("database_url is not of the form postgresql://")
        assert url not in str(found.value)


def test_addresses_are_shown_without_password():
    """An address is shown as host, port and database, never with its password."""
    for url, shown in (
        ("postgresql://u:secret@db.example:6543/hening", "db.example:6543/hening"),
        ("postgresql://u:secret@db.example/hening?sslmode=require", "db.example:5432/hening"),
        ("postgresql://u:secret@/hening?host=/run/postgresql", "/run/postgresql:5432/hening"),
        ("postgresql:///hening?password=secret", "localhost:5432/hening"),
    ):
        address = PostgresAddress(url)
        assert str(address) == shown
        assert "secret" not in repr(address)


def test_hosts_of_an_address():
    """Several hosts are listed only if the connection must be writable, each with its port."""
    writes = "target_session_attrs=read-write"
    for url, hosts in (
        (f"postgresql://u@a,b/d?{writes}", [("a", None), ("b", None)]),
        (f"postgresql://u@a,b:6543/d?{writes}", [("a", None), ("b", 6543)]),
        ("postgresql://u@a,b/d", []),
        (f"postgresql://u@a/d?{writes}", []),
        (f"postgresql://u@/d?host=a,b&{writes}", []),
    ):
        assert list(PostgresAddress(url).hosts) == hosts


@pytest.mark.needs("postgresql")
def test_one_of_two_hosts_does_not_answer(postgres, monkeypatch):
    """If one of two hosts does not answer, the other one is used.

    If neither is usable, the error says why.
    """
    address = postgres.make_database()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("PGPORT", str(silent.getsockname()[1]))
        two = address.replace("@127.0.0.1", "@127.0.0.1,127.0.0.1")
        assert migrate(PostgresAddress(f"{two}?target_session_attrs=read-write"))
    lost = f"{two}?target_session_attrs=read-write".replace("/test_", "/lost_")
    with pytest.raises(StorageError, match=r"does not exist|refused|does not answer|fails"):
        migrate(PostgresAddress(lost))


@pytest.mark.needs("postgresql")
async def test_tcp_timeouts(postgres):
    """Connections have TCP timeouts, so that a vanished host is noticed within seconds."""
    engine = make_engine(PostgresAddress(postgres.make_database()))
    async with engine.connect() as connection:
        raw = await connection.get_raw_connection()
        opened = raw.driver_connection._transport.get_extra_info("socket")
        assert opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 10_000
        assert opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 5
        assert opened.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    await engine.dispose()


@pytest.mark.needs("postgresql")
def test_refused_connections(postgres, tmp_path, monkeypatch):
    """A wrong password or missing database is reported without the password.

    PGPASSFILE is used as with any client of PostgreSQL.
    """
    url = postgres.make_database()
    for change, reason in (
        (("canary-4711", "canary-4712"), "password authentication failed"),
        (("/test_", "/lost_"), "does not exist"),
    ):
        with pytest.raises(StorageError, match=reason) as found:
            migrate(PostgresAddress(url.replace(*change)))
        assert "canary" not in str(found.value)
    file = tmp_path / "pgpass"
    file.write_text(f"127.0.0.1:{postgres.port}:*:hening:{PASSWORD}\n")
    file.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(file))
    assert migrate(PostgresAddress(url.replace(f":{PASSWORD}", ""))) is True
