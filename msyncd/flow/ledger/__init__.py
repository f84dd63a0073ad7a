"""What msyncd remembers, table by table: small functions on a Reader or Writer, so that all commits with the rows.

docs/ledger.md says what each table is for.
"""
