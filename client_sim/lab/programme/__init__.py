"""Which runs are made, and what is asked of them."""
