"""Where bytes and rows are kept: blobs and the database."""
