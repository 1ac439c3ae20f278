"""Many phones over real sockets: fleets that put real load on a real server."""
