"""PostgreSQL by its address: no password in any message, no migration without a backup."""

import socket

import pytest

from server.core.errors import FormatError
from server.storage.engine import make_engine
from server.storage.errors import StorageError
from server.storage.migration import migrate
from server.storage.place import PostgresAddress
from tests.postgres import PASSWORD

WRONG = [
    "mysql://root@localhost/hening",
    "postgresql+asyncpg://hening@localhost/hening",
    "postgresql://hening@localhost",
    "postgresql://hening@localhost/",
    "hening",
    "postgresql://hening@localhost:port/hening",
]


@pytest.mark.parametrize("url", WRONG)
def test_addresses_that_are_refused(url):
    """Another database, another driver, no database: the form is named, the address is not."""
    with pytest.raises(FormatError) as found:
        PostgresAddress(url)
    assert str(found.value).startswith("database_url is not of the form postgresql://")
    assert url not in str(found.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:secret@db.example:6543/hening", "db.example:6543/hening"),
        ("postgresql://u:secret@db.example/hening?sslmode=require", "db.example:5432/hening"),
        ("postgresql://u:secret@/hening?host=/run/postgresql", "/run/postgresql:5432/hening"),
        ("postgresql:///hening?password=secret", "localhost:5432/hening"),
    ],
)
def test_what_is_shown_of_an_address(url, shown):
    """Host, port and database; never the password, wherever it is."""
    address = PostgresAddress(url)
    assert str(address) == shown
    assert "secret" not in repr(address)


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("postgresql://u@a,b/d?target_session_attrs=read-write", [("a", None), ("b", None)]),
        ("postgresql://u@a,b:6543/d?target_session_attrs=read-write", [("a", None), ("b", 6543)]),
        ("postgresql://u@a,b/d", []),
        ("postgresql://u@a/d?target_session_attrs=read-write", []),
        ("postgresql://u@/d?host=a,b&target_session_attrs=read-write", []),
    ],
)
def test_the_machines_of_an_address(url, hosts):
    """They are named where a connection is to the one that takes writes; a port is of one host."""
    assert list(PostgresAddress(url).hosts) == hosts


@pytest.mark.needs("postgresql")
def test_one_of_two_machines_is_silent(postgres, monkeypatch):
    """The other one is connected to; where none takes writes, the error says why."""
    address = postgres.make_database()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("PGPORT", str(silent.getsockname()[1]))
        two = address.replace("@127.0.0.1", "@127.0.0.1,127.0.0.1")
        assert migrate(PostgresAddress(f"{two}?target_session_attrs=read-write"))
    lost = f"{two}?target_session_attrs=read-write".replace("/test_", "/lost_")
    with pytest.raises(StorageError, match=r"does not exist|refused|does not answer|fails"):
        migrate(PostgresAddress(lost))


@pytest.mark.needs("postgresql")
async def test_a_machine_that_disappears(postgres):
    """The system ends connections that nothing acknowledges, in place of waiting for minutes."""
    engine = make_engine(PostgresAddress(postgres.make_database()))
    async with engine.connect() as connection:
        raw = await connection.get_raw_connection()
        opened = raw.driver_connection._transport.get_extra_info("socket")
        assert opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 10_000
        assert opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 5
        assert opened.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    await engine.dispose()


@pytest.mark.needs("postgresql")
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("canary-4711", "canary-4712"), "password authentication failed"),
        (("/test_", "/lost_"), "does not exist"),
    ],
)
def test_a_server_that_refuses_connections(postgres, change, reason):
    """A wrong password or a missing database is reported without the password."""
    address = PostgresAddress(postgres.make_database().replace(*change))
    with pytest.raises(StorageError, match=reason) as found:
        migrate(address)
    assert "canary" not in str(found.value)


@pytest.mark.needs("postgresql")
def test_a_password_from_a_file(postgres, tmp_path, monkeypatch):
    """PGPASSFILE gives the password, as with every other program that uses PostgreSQL."""
    url = postgres.make_database()
    file = tmp_path / "pgpass"
    file.write_text(f"127.0.0.1:{postgres.port}:*:hening:{PASSWORD}\n")
    file.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(file))
    assert migrate(PostgresAddress(url.replace(f":{PASSWORD}", ""))) is True
