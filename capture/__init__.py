"""Light to files."""
