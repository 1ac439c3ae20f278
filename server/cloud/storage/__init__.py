"""What the cloud keeps: tables and their migrations, and a store of larger bodies.

`models` and `law_models` are the tables, `bulk` writes many rows at once, `lease` lets one process
of all nodes do a thing. `bodies` keeps larger bodies in a folder, `s3_bodies` in S3.
"""

from pathlib import Path

MIGRATIONS = Path(__file__).with_name("migrations")
