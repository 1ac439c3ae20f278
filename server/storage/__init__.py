"""Storage of blobs and of the database."""
