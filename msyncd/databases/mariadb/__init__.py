"""MariaDB 10.6 or later."""
