"""Public tables and texts on the phone: fetched by every phone alike, and asked offline."""
