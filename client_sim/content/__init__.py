"""Public tables and texts on the phone: every phone fetches the same ones and uses them offline."""
