"""What happens to a phone's owner. The poller cannot reach any of it (an import contract)."""
