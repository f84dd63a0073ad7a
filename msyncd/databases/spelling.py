"""How a dialect writes what is common to all: names, tables, a value as text."""

from collections.abc import Sequence


class Spelling:
    """Standard SQL, which SQLite takes as it is; other dialects say what they write otherwise."""

    def name(self, name: str) -> str:
        """An identifier."""
        return '"' + name.replace('"', '""') + '"'

    def table(self, name: str) -> str:
        """A table of the application."""
        return self.name(name)

    def text(self, expression: str) -> str:
        """The value of an expression as text."""
        return f"CAST({expression} AS TEXT)"

    def listed(self, names: Sequence[str], prefix: str = "") -> str:
        """Identifiers, comma-separated."""
        return ", ".join(prefix + self.name(name) for name in names)


STANDARD = Spelling()
