"""What answers a client in the same process."""
