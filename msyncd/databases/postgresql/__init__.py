"""PostgreSQL 13 and later, by psycopg 3."""
