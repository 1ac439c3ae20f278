"""What happens to a phone between polls."""
