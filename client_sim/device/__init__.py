"""One phone: its image, its trust, its requests and its decisions."""
