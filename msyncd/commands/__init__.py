"""One command is one file."""
