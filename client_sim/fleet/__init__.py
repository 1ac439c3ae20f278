"""Fleets: many simulated phones that load a real server over real sockets."""
