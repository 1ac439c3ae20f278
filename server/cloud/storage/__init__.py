"""Storage of the cloud: database tables, migrations, and a store for larger bodies.

models      tables of accounts, records and blobs
law_models  tables of policies, consents, erasures and breaches
bulk        fast statements for many rows
lease       leases, which let only one process do a task
bodies      the store's interface, and its implementation in a folder
s3_bodies   its implementation in S3
"""

from pathlib import Path

MIGRATIONS = Path(__file__).with_name("migrations")
