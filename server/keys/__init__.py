"""The key process: signs what its own copy of the publisher's rules accepts, and records it."""
