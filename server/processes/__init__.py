"""The processes of one device plane: listening sockets, workers and their supervision."""
