"""What the cloud keeps: tables and their migrations, and a store of larger bodies."""

from pathlib import Path

MIGRATIONS = Path(__file__).with_name("migrations")
