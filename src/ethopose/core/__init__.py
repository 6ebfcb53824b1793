"""Types, errors and plain geometry. No I/O; imports nothing of the house."""
