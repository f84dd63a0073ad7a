"""What a trigger function does, as PL/pgSQL text: one statement logs the rows, asks the guard, and wakes who waits.

Rows before and after an update are paired by their key, since the key is what makes a record: a record under a new key
is another one, and the old one is gone. The logged operation is a hint (P1); what matters is that each record that may
have changed has an entry, with every store and routing value that it had (P4). A line that goes with its header finds
no store here: the header's own delete entry has it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from msyncd.databases import fence
from msyncd.databases.lineage import Lineage
from msyncd.databases.postgresql import expressions, guard
from msyncd.databases.postgresql.catalog import TableEntry
from msyncd.databases.postgresql.names import quoted
from msyncd.databases.postgresql.sides import TRUNCATED, Rows, Side

APPLYING: Final = "msyncd.applying"
"""The setting, local to a transaction, in which the applier names the record type that it is writing."""
CHANNEL: Final = "msyncd"
"""Where those are told who wait for something to be logged."""
PLACE: Final = "(SELECT msyncd.msyncd_place())"
"""The number of the writing transaction, once for each statement."""

WRITE, DELETE = 1, 2


@dataclass(frozen=True)
class Body:
    """The body of the function for one event on the table of one record type."""

    lineage: Lineage
    site: int
    catalog: Mapping[str, TableEntry]
    rows: Rows
    fires: bool

    def text(self) -> str:
        """The body, from DECLARE to END."""
        lines = [
            "DECLARE",
            "  v_refused text;",
            "  v_moved boolean;",
            "  v_lost boolean;",
            "  v_told text;",
            "BEGIN",
            *(
                f"  {line}"
                for line in [*self._unless_applied(), *self._fence(), self._main(), *self._refusal(), *self._family()]
            ),
            "  RETURN NULL;",
            "END",
        ]
        return "\n" + "\n".join(lines) + "\n"

    def settings(self) -> tuple[str, ...]:
        """What the function sets while it runs, so that the application's own settings do not matter."""
        lineage, entry = self.lineage, self.catalog[self.lineage.record_type.table.casefold()]
        names = [*lineage.record_type.key, *lineage.placing_columns()]
        if self._compares_all:
            names += lineage.record_type.columns
        columns = [entry.column(name) for name in names]
        also = lineage.root.also_sent_to
        root = self.catalog[lineage.root.table.casefold()]
        columns += [root.column(name) for name in (lineage.root.store_column, also and also.column) if name]
        needed = [one for column in columns for one in expressions.SETTINGS.get(expressions.kind_of(column.type), ())]
        return ("search_path TO pg_catalog, pg_temp", *dict.fromkeys(needed))

    # --- what happens, step by step ---------------------------------------------------------------------------------

    def _unless_applied(self) -> Iterator[str]:
        """What the applier writes is not the application's. What an application trigger then does is, but for what it
        does to the very records that are being written."""
        mine = f"pg_catalog.current_setting('{APPLYING}', true) = '{self.lineage.id}'"
        if not self.fires or self.rows.event == "TRUNCATE":
            yield f"IF {mine} AND pg_catalog.pg_trigger_depth() = 1 THEN"
            yield "  RETURN NULL;"
            yield "END IF;"
            return
        alias = "r"
        side = Side(alias, self.lineage, self.catalog)
        same = " AND ".join(f"i.key{number} = {key}" for number, key in enumerate(side.key, 1))
        incoming = f"SELECT FROM pg_temp.msyncd_incoming i WHERE i.type = {self.lineage.id} AND {same}"
        others = [
            f"EXISTS (SELECT FROM {source} {alias} WHERE NOT EXISTS ({incoming}))"
            for source in (self.rows.after, self.rows.before)
            if source
        ]
        yield f"IF {mine} THEN"
        yield "  IF pg_catalog.pg_trigger_depth() = 1 THEN"
        yield "    RETURN NULL;"
        yield f"  ELSIF NOT ({' OR '.join(others)}) THEN"
        yield "    RETURN NULL;"
        yield "  END IF;"
        yield "END IF;"

    def _fence(self) -> Iterator[str]:
        if fence.fenced(self.lineage, self.site):
            any_row = (
                "" if self.rows.event == "TRUNCATE" else f" AND EXISTS (SELECT FROM {self._sources()}{self._changed()})"
            )
            yield f"IF {guard.FENCED}{any_row} THEN"
            yield f"  RAISE EXCEPTION '%', {guard.words_of_fence(self.lineage)};"
            yield "END IF;"

    def _main(self) -> str:
        """The one statement. For a table that may be a partition it is put together when its name is known."""
        before, after = self._refuse_all() if guard.refuses_all(self.lineage, self.site) else self._log_and_ask()
        into = "INTO v_refused, v_moved, v_lost, v_told"
        if TRUNCATED not in before + after:
            return f"{before} {into} {after};"
        name = "TG_RELID::pg_catalog.regclass::pg_catalog.text"
        return f"EXECUTE pg_catalog.replace($main${before} {after}$main$, '{TRUNCATED}', 'ONLY ' || {name}) {into};"

    def _refusal(self) -> Iterator[str]:
        if guard.guarded(self.lineage, self.site):
            yield "IF v_refused IS NOT NULL THEN"
            if guard.refuses_all(self.lineage, self.site):
                yield f"  RAISE EXCEPTION '%', {guard.words_of_all(self.lineage)};"
            else:
                yield f"  PERFORM msyncd.{guard.REFUSE}(v_refused, {guard.nowhere(self.lineage)});"
            yield "END IF;"

    def _family(self) -> Iterator[str]:
        if self.rows.event != "UPDATE" or guard.refuses_all(self.lineage, self.site):
            return
        if self.lineage.children:
            yield "IF v_moved THEN"
            yield from (f"  {one};" for one in self._descendants())
            yield "END IF;"
        if self.lineage.ancestors:
            yield "IF v_lost THEN"
            yield from (f"  {one};" for one in self._taken_along())
            yield "END IF;"

    # --- the statements ---------------------------------------------------------------------------------------------

    def _refuse_all(self) -> tuple[str, str]:
        """Nothing but the applier ever passes the guard, and that is not logged."""
        return "SELECT 'all', NULL, NULL, NULL", f"FROM {self._sources()}{self._changed()} LIMIT 1"

    def _log_and_ask(self) -> tuple[str, str]:
        columns = "xid, type, operation, origin, store, store_before, route, route_before, parent"
        keys = "".join(f", key{i}" for i in range(1, len(self.lineage.record_type.key) + 1))
        log = f"INSERT INTO msyncd.msyncd_change_log ({columns}{keys}) {' UNION ALL '.join(self._entries())}"
        asked = "NULL"
        if guard.guarded(self.lineage, self.site):
            asked = guard.first_refused(" UNION ALL ".join(self._stores_asked()), self.site)
        moved = lost = "NULL"
        if self.rows.event == "UPDATE" and self.lineage.children:
            moved = (
                "(SELECT pg_catalog.bool_or(t.came AND (t.store_moved OR t.route_moved OR NOT t.was)) FROM touched t)"
            )
        if self.rows.event == "UPDATE" and self.lineage.ancestors:
            lost = "(SELECT pg_catalog.bool_or(t.came AND t.was AND t.parent_moved AND NOT t.o_stands) FROM touched t)"
        told = (
            f"(SELECT pg_catalog.pg_notify('{CHANNEL}', '')::text FROM msyncd.msyncd_listener l"
            " WHERE l.until > pg_catalog.now() AND EXISTS (SELECT FROM touched) LIMIT 1)"
        )
        return f"WITH touched AS ({self._touched()}), logged AS ({log}) SELECT {asked}, {moved}, {lost}, {told}", ""

    def _touched(self) -> str:
        """What is to be said of each record: as it stands now (n_…), as it stood before (o_…)."""
        values: list[str] = []
        for side in self._sides():
            one = side.alias
            values += [f"{key} AS {one}_key{i}" for i, key in enumerate(side.key, 1)]
            values += [f"{side.parent} AS {one}_parent", f"{side.store} AS {one}_store", f"{side.route} AS {one}_route"]
            values.append(f"{side.stands} AS {one}_stands")
        if self.rows.event == "UPDATE":
            values += ["coalesce(n.msyncd_here, false) AS came", "coalesce(o.msyncd_here, false) AS was"]
            values += [f"{self._differ(columns)} AS {name}" for name, columns in self._movable().items()]
        places = [side.place() if side.alias == "n" else side.place(self._if_needed()) for side in self._sides()]
        return f"SELECT {', '.join(values)} FROM {self._sources()} {' '.join(places)}{self._changed()}"

    def _movable(self) -> dict[str, list[str]]:
        lineage = self.lineage
        through = lineage.record_type.through
        return {
            "store_moved": lineage.store_columns(),
            "route_moved": lineage.route_columns(),
            "parent_moved": [through.column] if through else [],
        }

    def _if_needed(self) -> str:
        """When the ancestors of the row before an update are looked up: if they may be others."""
        if self.rows.event != "UPDATE":
            return ""
        return f"(n.msyncd_here IS NULL OR {self._differ(self.lineage.placing_columns())})"

    def _entries(self) -> Iterator[str]:
        event = self.rows.event
        if event == "UPDATE":
            # under another key or parent first what was, then what stands now
            operation = f"CASE WHEN t.came THEN {WRITE} ELSE {DELETE} END"
            yield self._entry("o", operation) + " WHERE t.was AND (NOT t.came OR t.parent_moved)"
            before = "CASE WHEN t.store_moved THEN t.o_store END", "CASE WHEN t.route_moved THEN t.o_route END"
            yield self._entry("n", str(WRITE), *before) + " WHERE t.came"
        else:
            yield self._entry("n", str(WRITE)) if event == "INSERT" else self._entry("o", str(DELETE))

    def _entry(self, alias: str, operation: str, store_before: str = "NULL", route_before: str = "NULL") -> str:
        keys = "".join(f", t.{alias}_key{i}" for i in range(1, len(self.lineage.record_type.key) + 1))
        return (
            f"SELECT {PLACE}, {self.lineage.id}, {operation}, {self.site}, t.{alias}_store, {store_before},"
            f" t.{alias}_route, {route_before}, t.{alias}_parent{keys} FROM touched t"
        )

    def _stores_asked(self) -> Iterator[str]:
        """The stores in which something changes. A row whose ancestors are missing passes: they may come later."""
        if self.rows.event == "UPDATE":
            yield "SELECT t.n_store AS store FROM touched t WHERE t.came AND t.n_stands"
            yield "SELECT t.o_store FROM touched t WHERE t.was AND (NOT t.came OR t.store_moved) AND t.o_stands"
        else:
            alias = "n" if self.rows.event == "INSERT" else "o"
            yield f"SELECT t.{alias}_store AS store FROM touched t WHERE t.{alias}_stands"

    def _descendants(self) -> Iterator[str]:
        """Statements that log every record through one whose store or routing value was another before (P10)."""
        now, was = self._sides()
        key = self.lineage.record_type.key[0]
        places = f"{now.place()} {was.place(self._if_needed())}"
        moved = self._movable()
        store_moved, route_moved = self._differ(moved["store_moved"]), self._differ(moved["route_moved"])
        header = (
            f"(SELECT {now.column(key)} AS header, {now.store} AS store, {now.route} AS route,"
            f" CASE WHEN {store_moved} THEN {was.store} END AS store_before,"
            f" CASE WHEN {route_moved} THEN {was.route} END AS route_before FROM {self._sources()} {places}"
            f" WHERE n.msyncd_here AND (o.msyncd_here IS NULL OR {store_moved} OR {route_moved}) OFFSET 0) h"
        )
        yield from self._below(self.lineage.children, (), header)

    def _taken_along(self) -> Iterator[str]:
        """Statements that log where records were whose header went in this transaction, while they go on under another.

        So it is when a header's key changes, which cascades to its lines: where it was stands in its own delete entry.
        """
        now, was = self._sides()
        through = self.lineage.record_type.through
        assert through is not None
        gone = (
            f"l.xid = {PLACE} AND l.type = {self.lineage.ancestors[0].id} AND l.operation = {DELETE}"
            f" AND l.key1 = {was.parent}"
        )
        rows = (
            f"FROM {self._sources()} {now.place()} JOIN msyncd.msyncd_change_log l ON {gone}"
            f" WHERE n.msyncd_here AND {self._differ([through.column])}"
        )
        columns = "xid, type, operation, origin, store, store_before, route, route_before, parent"
        names = "".join(f", key{i}" for i in range(1, len(now.key) + 1))
        entry = f"{PLACE}, {self.lineage.id}, {WRITE}, {self.site}, {now.store}, l.store, {now.route}, l.route"
        yield (
            f"INSERT INTO msyncd.msyncd_change_log ({columns}{names})"
            f" SELECT {entry}, {now.parent}, {', '.join(now.key)} {rows}"
        )
        header = (
            f"(SELECT {now.column(self.lineage.record_type.key[0])} AS header, {now.store} AS store,"
            f" {now.route} AS route, l.store AS store_before, l.route AS route_before {rows} OFFSET 0) h"
        )
        yield from self._below(self.lineage.children, (), header)

    def _below(self, children: Sequence[Lineage], above: tuple[Lineage, ...], header: str) -> Iterator[str]:
        for child in children:
            path = (*above, child)
            joins, key_above = "", "h.header"
            for depth, one in enumerate(path, 1):
                joins += f" JOIN {one.table} c{depth} ON {one.parent(f'c{depth}')} = {key_above}"
                key_above = f"c{depth}.{quoted(one.record_type.key[0])}"
            side = Side(f"c{len(path)}", child, self.catalog)
            inherited = child.root.also_sent_to is not None
            route, route_before = ("h.route", "h.route_before") if inherited else (side.route, "NULL")
            columns = "xid, type, operation, origin, store, store_before, route, route_before, parent"
            names = "".join(f", key{i}" for i in range(1, len(child.record_type.key) + 1))
            entry = f"{PLACE}, {child.id}, {WRITE}, {self.site}, h.store, h.store_before, {route}, {route_before}"
            yield (
                f"INSERT INTO msyncd.msyncd_change_log ({columns}{names})"
                f" SELECT {entry}, {side.parent}, {', '.join(side.key)} FROM {header}{joins}"
            )
            yield from self._below(child.children, path, header)

    # --- the rows ---------------------------------------------------------------------------------------------------

    def _sides(self) -> list[Side]:
        aliases = {"INSERT": "n", "UPDATE": "no"}.get(self.rows.event, "o")
        return [Side(alias, self.lineage, self.catalog) for alias in aliases]

    def _sources(self) -> str:
        """The rows after and before, each beside the other; `msyncd_here` tells that there is one."""
        after, before = (
            f"(SELECT true AS msyncd_here, r.* FROM {source} r) {alias}" if source else ""
            for source, alias in ((self.rows.after, "n"), (self.rows.before, "o"))
        )
        if not after or not before:
            return after or before
        key = " AND ".join(f"n.{name} = o.{name}" for name in map(quoted, self.lineage.record_type.key))
        return f"{after} FULL JOIN {before} ON {key}"

    @property
    def _compares_all(self) -> bool:
        return self.rows.event == "UPDATE" and self.lineage.record_type.excludes_columns

    def _changed(self) -> str:
        """A condition that leaves out updates of nothing but columns that do not travel."""
        if not self._compares_all:
            return ""
        record_type = self.lineage.record_type
        columns = dict.fromkeys([*record_type.columns, *self.lineage.placing_columns()])
        travels = self._differ([name for name in columns if name not in record_type.key])
        return f" WHERE n.msyncd_here IS NULL OR o.msyncd_here IS NULL OR {travels}"

    def _differ(self, columns: Sequence[str]) -> str:
        """Rows before and after hold different values in one of these columns; in parentheses."""
        now, was = self._sides()
        differences = [f"{now.compared(name)} IS DISTINCT FROM {was.compared(name)}" for name in columns]
        return f"({' OR '.join(differences) or 'false'})"
