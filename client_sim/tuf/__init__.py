"""The phone's trust as an ordinary TUF client, for suites that test TUF clients from outside."""
