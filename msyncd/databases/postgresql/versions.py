"""Numbers by which a change is noticed without reading a table of the application."""

from typing import Final

from msyncd.databases.postgresql.log import LOG

DATA_VERSION: Final = f"""
WITH readable AS (SELECT xid, seq FROM {LOG} WHERE xid < pg_snapshot_xmin(pg_current_snapshot())::text::bigint + %s
        ORDER BY xid DESC, seq DESC LIMIT 1),
    start AS (SELECT xid, seq FROM readable UNION ALL (SELECT 0, 0) LIMIT 1)
SELECT hashtextextended(concat_ws(' ', start.xid, start.seq,
    (SELECT string_agg(waits.xid || ' ' || waits.seq, ' ') FROM (SELECT l.xid, l.seq FROM {LOG} l
        WHERE (l.xid, l.seq) > (start.xid, start.seq) ORDER BY l.xid DESC, l.seq DESC LIMIT 100) waits),
    n.trimmed_major, n.trimmed_seq,
    (SELECT value FROM msyncd.msyncd_meta WHERE name = 'facts_number'), (SELECT max(id) FROM msyncd.msyncd_fill)), 0)
FROM start, msyncd.msyncd_numbering n"""
"""Of the log's end, of some entries that are committed and cannot be read yet, and of what else a satellite may wait
for: store facts and fills, which another worker may have changed."""

SCHEMA_VERSION: Final = r"""
WITH ours AS (
    SELECT c.oid, c.relname, n.nspname, c.relkind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\_%'),
parts AS (
    SELECT hashtextextended(concat_ws('/', oid, nspname, relname, relkind), 1) AS h FROM ours
    UNION ALL SELECT hashtextextended(concat_ws('/', attrelid, attnum, attname, atttypid, atttypmod, attnotnull,
        atthasdef, attgenerated, attidentity, attcollation), 2) FROM pg_attribute JOIN ours ON attrelid = ours.oid
        WHERE attnum > 0 AND NOT attisdropped
    UNION ALL SELECT hashtextextended(concat_ws('/', t.oid, tgrelid, tgname, tgenabled, tgtype, tgfoid), 3)
        FROM pg_trigger t JOIN ours ON tgrelid = ours.oid WHERE NOT tgisinternal
    UNION ALL SELECT hashtextextended(concat_ws('/', r.oid, conrelid, contype, condeferrable, confdeltype), 4)
        FROM pg_constraint r JOIN ours ON conrelid = ours.oid
    UNION ALL SELECT hashtextextended(concat_ws('/', indexrelid, indrelid, indisunique, indisvalid), 5)
        FROM pg_index JOIN ours ON indrelid = ours.oid)
SELECT coalesce(sum(h), 0)::text FROM parts"""
"""Of every table, column, trigger, constraint and index that the catalogs name."""
