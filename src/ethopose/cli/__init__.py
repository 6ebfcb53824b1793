"""The command line: one thin file a command; it parses, calls and prints."""
