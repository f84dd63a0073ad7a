"""msyncd's own tables in the application's database: what must commit together with the rows.

The SQL here is portable: a dialect turns the type words in braces into its own, and `msyncd_` into its schema.
docs/ledger.md says what each table is for.
"""

TABLES: dict[str, str] = {
    # name -> value: database_id, generation, sync_id, facts_number, token_key, ...
    "msyncd_meta": "name {text} NOT NULL PRIMARY KEY, value {text}",
    # the record types of the change log, by number
    "msyncd_record_type": """id {int} NOT NULL PRIMARY KEY, name {text} NOT NULL UNIQUE, table_name {text} NOT NULL,
        columns {text} NOT NULL, captured {int} NOT NULL""",
    # what the primary knows of its satellites, and a satellite of its primary
    "msyncd_site": """sync_id {int} NOT NULL PRIMARY KEY, name {text}, active_stores {text}, copies_of {text},
        database_id {text}, installation_id {text}, generation {int}, public_key {text}, version {text},
        joined {int} NOT NULL DEFAULT 0, heard {int} NOT NULL DEFAULT 0, confirmed_major {int} NOT NULL DEFAULT 0,
        confirmed_seq {int} NOT NULL DEFAULT 0, last_contact {text}, last_success {text}, problem {text},
        batch_size {int}, to_receive {int}, filling {text}, record_types {text}, held_mark {text}""",
    # P35: databases that had a site's place and were replaced; readmitted 1: it may come back
    "msyncd_replaced": """number {int} NOT NULL PRIMARY KEY, site {int} NOT NULL, database_id {text} NOT NULL,
        installation_id {text} NOT NULL, at {text} NOT NULL, readmitted {int} NOT NULL DEFAULT 0""",
    # P35: the satellites that a restored primary asks for what it lost, and how each stands
    "msyncd_asked": """site {int} NOT NULL PRIMARY KEY, asking {text} NOT NULL, state {text} NOT NULL,
        ahead {int} NOT NULL DEFAULT 0, anew {int} NOT NULL DEFAULT 0, filling {int} NOT NULL DEFAULT 0,
        place_major {int} NOT NULL DEFAULT 0, place_seq {int} NOT NULL DEFAULT 0,
        reach_major {int} NOT NULL DEFAULT 0, reach_seq {int} NOT NULL DEFAULT 0""",
    # P8: what the sender noted before it sent; peer 0 on the primary: marks shared by all sites
    "msyncd_mark": """mark {text} NOT NULL PRIMARY KEY, peer {int} NOT NULL, after_major {int} NOT NULL,
        after_seq {int} NOT NULL, upto_major {int} NOT NULL, upto_seq {int} NOT NULL, at {text} NOT NULL,
        confirmed {int} NOT NULL DEFAULT 0, number {int} NOT NULL""",
    # P14: what the primary has applied of each satellite
    "msyncd_receipt": """site {int} NOT NULL, database_id {text} NOT NULL, generation {int} NOT NULL,
        cursor_major {int} NOT NULL, cursor_seq {int} NOT NULL, mark {text} NOT NULL,
        PRIMARY KEY (site, database_id, generation)""",
    # P15: a satellite's place in the primary's log, and in a running fill
    "msyncd_pulled": """peer {int} NOT NULL PRIMARY KEY, cursor_major {int} NOT NULL, cursor_seq {int} NOT NULL,
        mark {text} NOT NULL, fill {int}, fill_type {text}, fill_after {blob}""",
    # P14, P20: refusals that the site has not confirmed to have heard
    "msyncd_refusal": """number {int} NOT NULL PRIMARY KEY, site {int} NOT NULL, type {text} NOT NULL,
        key {blob} NOT NULL, reason {text} NOT NULL, plugin {text} NOT NULL, may_edit {int} NOT NULL""",
    # P17: one kept-aside change per record
    "msyncd_waiting": """type {text} NOT NULL, key {blob} NOT NULL, site {int} NOT NULL, operation {text} NOT NULL,
        store {text}, columns {text} NOT NULL, record {blob}, base {int}, missing {text} NOT NULL, plugin {text},
        since {text} NOT NULL, PRIMARY KEY (type, key)""",
    "msyncd_quarantine": """id {int} NOT NULL PRIMARY KEY, type {text} NOT NULL, key {blob} NOT NULL,
        site {int} NOT NULL, operation {text} NOT NULL, store {text}, columns {text} NOT NULL, record {blob},
        base {int}, reason {text} NOT NULL, plugin {text} NOT NULL, since {text} NOT NULL, header_type {text},
        header_key {blob}, detail {text}, log_major {int} NOT NULL,
        log_seq {int} NOT NULL""",
    # P7: what was left out, to be filled in later
    "msyncd_owed": """site {int} NOT NULL, type {text} NOT NULL, from_major {int} NOT NULL, from_seq {int} NOT NULL,
        because {text} NOT NULL, left_out {int} NOT NULL, fingerprint {text} NOT NULL,
        PRIMARY KEY (site, type, because)""",
    # P24: what a cleared reference held
    "msyncd_cleared": """type {text} NOT NULL, key {blob} NOT NULL, column_name {text} NOT NULL, target {text} NOT NULL,
        target_column {text} NOT NULL, value {blob} NOT NULL, PRIMARY KEY (type, key, column_name)""",
    # P30: records that pass through the primary
    "msyncd_spool": """type {text} NOT NULL, key {blob} NOT NULL, columns {text} NOT NULL, record {blob},
        upto_major {int} NOT NULL, upto_seq {int} NOT NULL, PRIMARY KEY (type, key)""",
    "msyncd_relayed": """type {text} NOT NULL, key {blob} NOT NULL, parent {blob}, store {text}, route {blob},
        PRIMARY KEY (type, key)""",
    # P11: who holds what, of record types that plugins route
    # P10: headers that came to a site, or left it, by a batch that it may not have; `gone` 1: it left
    "msyncd_turned": """site {int} NOT NULL, type {text} NOT NULL, key {blob} NOT NULL, gone {int} NOT NULL,
        upto_major {int} NOT NULL, upto_seq {int} NOT NULL, PRIMARY KEY (site, type, key)""",
    "msyncd_held": "site {int} NOT NULL, type {text} NOT NULL, key {blob} NOT NULL, PRIMARY KEY (site, type, key)",
    # P19: versions of records that any site may edit; on a satellite what was last agreed
    "msyncd_version": """type {text} NOT NULL, key {blob} NOT NULL, version {int} NOT NULL, columns {text},
        record {blob}, sent {blob}, site {int}, PRIMARY KEY (type, key)""",
    # P27: fills that the primary owes its satellites
    "msyncd_fill": """id {int} NOT NULL PRIMARY KEY, site {int} NOT NULL, type {text}, stores {text},
        boundary_major {int} NOT NULL, boundary_seq {int} NOT NULL, initial {int} NOT NULL, because {text} NOT NULL,
        since {text} NOT NULL""",
    # P29: stores of which the primary asks the active site for every record
    "msyncd_wanted": "store {text} NOT NULL PRIMARY KEY, number {int} NOT NULL",
    # P9: parts of a batch too large for one message
    "msyncd_staged": """site {int} NOT NULL, mark {text} NOT NULL, part {int} NOT NULL, body {blob} NOT NULL,
        PRIMARY KEY (site, mark, part)""",
    # P37: bundles that were exported for a peer and that it may still import
    "msyncd_exported": """peer {int} NOT NULL, number {int} NOT NULL, mark {text} NOT NULL, upto_major {int} NOT NULL,
        upto_seq {int} NOT NULL, at {text} NOT NULL, PRIMARY KEY (peer, number)""",
    # P37: marks of bundles that the peer has named over the line
    "msyncd_vouched": "peer {int} NOT NULL, mark {text} NOT NULL, PRIMARY KEY (peer, mark)",
    # P37: bundles that lie ahead of the cursor, kept until the gap has closed; item 0 holds head and end
    "msyncd_kept": """peer {int} NOT NULL, number {int} NOT NULL, item {int} NOT NULL, body {blob} NOT NULL,
        PRIMARY KEY (peer, number, item)""",
    # when record types were last compared with a peer, and the records that differ
    "msyncd_compared": """peer {int} NOT NULL, type {text} NOT NULL, at {text} NOT NULL, records {int} NOT NULL,
        differences {int} NOT NULL, agreed {text}, PRIMARY KEY (peer, type)""",
    "msyncd_difference": """peer {int} NOT NULL, type {text} NOT NULL, key {blob} NOT NULL,
        PRIMARY KEY (peer, type, key)""",
    # P31: the facts; the guard reads this table
    "msyncd_store": """store {text} NOT NULL PRIMARY KEY, code {text}, active_site {int}, epoch {int} NOT NULL,
        name {any}""",
    # P31 to P34: stores that are being handed over; the words of the guard come from it. What follows `forced` is the
    # primary's: where its log stood when the store was drained, and what each end says of it
    "msyncd_hand_over": """store {text} NOT NULL PRIMARY KEY, from_site {int}, to_site {int} NOT NULL,
        step {text} NOT NULL, forced {int}, since {text}, upto_major {int}, upto_seq {int}, drained {int},
        kept_there {int}, kept_here {int}""",
    # log-ins to the console that hold at every worker of a primary: by the digest of the cookie's token
    "msyncd_console_session": """id {text} NOT NULL PRIMARY KEY, name {text} NOT NULL, credential {text} NOT NULL,
        ends {int} NOT NULL, said {text} NOT NULL, pending {blob}""",
    # who has tried wrong passwords there, by digests; times in milliseconds since 1970
    "msyncd_console_caller": """caller {text} NOT NULL PRIMARY KEY, failures {int} NOT NULL, last_at {int} NOT NULL,
        waits_until {int} NOT NULL, waited_until {int} NOT NULL, good_at {int} NOT NULL""",
    # when the log had reached where: for trimming by age, and for `oldest`
    "msyncd_tick": "at {text} NOT NULL PRIMARY KEY, major {int} NOT NULL, seq {int} NOT NULL",
}
