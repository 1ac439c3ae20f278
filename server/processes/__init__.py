"""Several processes for one device plane: who owns the sockets, who serves, who hears of what."""
