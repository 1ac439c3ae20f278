"""Compare `batch` of 100 items with decoding the same bodies and inserting the rows into SQLite."""

import sqlite3
import statistics
import time
from contextlib import closing
from pathlib import Path

import msgspec

from benchmarks.cloud.node import Node
from benchmarks.cloud.owner import Owner, make_items

ITEMS = 100


async def measure_batch(node: Node, owner: Owner, folder: Path, rounds: int) -> float:
    """Return the median of `rounds` ratios of a node's CPU seconds to those of `insert_bare`.

    The bare database gets the same items as the node, so that both databases grow equally.
    """
    ratios = []
    path = f"collection/{owner.collection}/item/batch/"
    with closing(open_bare(folder / "bare.sqlite", folder / "cloud" / "cloud.sqlite")) as bare:
        for _ in range(rounds):
            bodies = [msgspec.msgpack.encode({"items": make_items(ITEMS)}) for _ in range(20)]
            before = node.cpu()
            for body in bodies:
                await owner.call("POST", path, body)
            ours = node.cpu() - before
            ratios.append(ours / insert_bare(bodies, bare))
    return statistics.median(ratios)


def open_bare(file: Path, database: Path) -> sqlite3.Connection:
    """Create a database with the tables, indexes and durability of a node's `database`."""
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    for (statement,) in read_schema(database):
        connection.execute(statement)
    connection.execute("PRAGMA foreign_keys=OFF")  # there are no accounts here
    return connection


def insert_bare(bodies: list[bytes], connection: sqlite3.Connection) -> float:
    """Decode the bodies and insert their rows; return the CPU seconds."""
    begin = time.thread_time()
    for body in bodies:
        items = msgspec.msgpack.decode(body)["items"]
        contents = [item["content"] for item in items]
        with connection:
            connection.executemany(
                "INSERT INTO chunks (collection, uid, length, body, written_at)"
                " VALUES (1, ?, ?, ?, 0)",
                [(uid, len(body), body) for content in contents for uid, body in content["chunks"]],
            )
            connection.executemany(
                "INSERT INTO items (collection, uid, version, sequence, etag, meta, deleted,"
                " chunks, written_at) VALUES (1, ?, ?, ?, ?, ?, ?, ?, 0)",
                [
                    (
                        item["uid"],
                        item["version"],
                        number,
                        content["uid"],
                        content["meta"],
                        content["deleted"],
                        msgspec.msgpack.encode([chunk[0] for chunk in content["chunks"]]),
                    )
                    for number, (item, content) in enumerate(zip(items, contents, strict=True))
                ],
            )
    return time.thread_time() - begin


def read_schema(database: Path) -> list[tuple[str]]:
    """Return the SQL statements that create a node's tables and indexes."""
    query = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'"
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(f"{query} ORDER BY type DESC").fetchall()


async def measure_nothing_new(node: Node, owner: Owner, rounds: int) -> float:
    """Return a node's CPU milliseconds for a list request after which nothing is new."""
    path = f"collection/{owner.collection}/item/"
    listed = await owner.call("GET", f"{path}?limit=500")
    while not listed["done"]:  # type: ignore[index]
        listed = await owner.call("GET", f"{path}?limit=500&stoken={listed['stoken']}")  # type: ignore[index]
    stoken, before = listed["stoken"], node.cpu()  # type: ignore[index]
    for _ in range(rounds):
        answer = await owner.call("GET", f"{path}?stoken={stoken}")
        if answer["data"]:  # type: ignore[index]
            raise SystemExit("something is new.")
    return 1000 * (node.cpu() - before) / rounds
