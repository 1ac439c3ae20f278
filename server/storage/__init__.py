"""Storage of blobs and of the database.

- Files: `layout` (which file is where, and which database), `durable` (writes that survive a power
  cut), `tree` (the public files), `room` (quota and free space), `bounded` (reads).
- Blobs: `blobs` is the interface; `local_blobs` and `s3_blobs` (with `s3_client` and
  `shared_windows`) implement it, and the same tests run on both.
- The database: `models` (tables), `migrations/`, `database` (migration, sessions), `engine` with
  `sqlite_connection` (connections), on SQLite or PostgreSQL.
"""
