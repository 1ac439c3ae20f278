"""The batteries; each varies one input of a client and keeps the others constant."""
