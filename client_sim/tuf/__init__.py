"""The phone's trust code as an ordinary TUF client, for conformance suites of TUF clients."""
