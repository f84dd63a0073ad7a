-- The tables of the application, as the samples, the demo and the tests make them on SQLite.
--
-- This is a cut-down stock application: the tables and columns that record_types/msupply.yaml declares, with real
-- foreign keys. msyncd never reads this file for itself: on a real server the application has made its tables already.
--
-- Conventions of the field: a key is 32 upper-case hexadecimal digits; a date stands as YYYY-MM-DD; a time of day is
-- seconds since midnight; a quantity counts packs; prices are for one pack, in the home currency.
-- Tables stand in the order in which they are integrated: a table refers only to tables above it.


-- Level 0: central data that refers to nothing ------------------------------------------------------------------------

CREATE TABLE unit (
    ID TEXT NOT NULL PRIMARY KEY,
    units TEXT NOT NULL,
    comment TEXT,
    order_number INTEGER
);

CREATE TABLE currency (
    ID TEXT NOT NULL PRIMARY KEY,
    currency TEXT NOT NULL,
    rate REAL NOT NULL DEFAULT 1,
    is_home_currency BOOLEAN NOT NULL DEFAULT 0,
    date_updated DATE
);

CREATE TABLE location_type (
    ID TEXT NOT NULL PRIMARY KEY,
    description TEXT NOT NULL,
    temperature_min REAL,
    temperature_max REAL
);

-- Reasons: why a count was adjusted, why a requested quantity was changed.
CREATE TABLE options (
    ID TEXT NOT NULL PRIMARY KEY,
    title TEXT NOT NULL,
    type TEXT NOT NULL,
    is_active BOOLEAN NOT NULL DEFAULT 1
);

CREATE TABLE item_category (
    ID TEXT NOT NULL PRIMARY KEY,
    description TEXT NOT NULL,
    sort_order INTEGER
);

CREATE TABLE name_tag (
    ID TEXT NOT NULL PRIMARY KEY,
    description TEXT NOT NULL
);

CREATE TABLE period_schedule (
    ID TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL
);

CREATE TABLE ship_method (
    ID TEXT NOT NULL PRIMARY KEY,
    method TEXT NOT NULL
);

CREATE TABLE diagnosis (
    ID TEXT NOT NULL PRIMARY KEY,
    icd_code TEXT NOT NULL,
    description TEXT NOT NULL,
    is_active BOOLEAN NOT NULL DEFAULT 1
);

CREATE TABLE abbreviation (
    ID TEXT NOT NULL PRIMARY KEY,
    abbreviation TEXT NOT NULL,
    expansion TEXT NOT NULL
);

-- No foreign key on store_ID: preferences are integrated before the store that they are about.
CREATE TABLE pref (
    ID TEXT NOT NULL PRIMARY KEY,
    store_ID TEXT NOT NULL,
    item TEXT NOT NULL,
    data TEXT
);
CREATE INDEX pref_store ON pref (store_ID);


-- Level 1: items, names, lists ----------------------------------------------------------------------------------------

CREATE TABLE item (
    ID TEXT NOT NULL PRIMARY KEY,
    code TEXT NOT NULL UNIQUE,
    item_name TEXT NOT NULL,
    type_of TEXT NOT NULL DEFAULT 'general',        -- general, service, non_stock
    unit_ID TEXT REFERENCES unit (ID),
    category_ID TEXT REFERENCES item_category (ID),
    strength TEXT,
    default_pack_size REAL NOT NULL DEFAULT 1,
    default_cost_price REAL NOT NULL DEFAULT 0,
    default_sell_price REAL NOT NULL DEFAULT 0,
    ven_category TEXT,                              -- V vital, E essential, N necessary
    is_vaccine BOOLEAN NOT NULL DEFAULT 0,
    critical_stock BOOLEAN NOT NULL DEFAULT 0,
    created_date DATE,
    comment TEXT,
    picture BLOB
);
CREATE INDEX item_unit ON item (unit_ID);
CREATE INDEX item_category_of ON item (category_ID);

-- Everyone whom a store deals with: suppliers, customers, patients, and a name for every store.
CREATE TABLE name (
    ID TEXT NOT NULL PRIMARY KEY,
    code TEXT NOT NULL,
    name TEXT NOT NULL,
    type TEXT NOT NULL DEFAULT 'facility',          -- facility, store, patient, invad (inventory adjustments)
    customer BOOLEAN NOT NULL DEFAULT 0,
    supplier BOOLEAN NOT NULL DEFAULT 0,
    currency_ID TEXT REFERENCES currency (ID),
    first TEXT,
    last TEXT,
    date_of_birth DATE,
    female BOOLEAN,
    phone TEXT,
    email TEXT,
    address1 TEXT,
    country TEXT,
    created_date DATE,
    comment TEXT
);
CREATE INDEX name_code ON name (code);
CREATE INDEX name_currency ON name (currency_ID);

CREATE TABLE list_master (
    ID TEXT NOT NULL PRIMARY KEY,
    code TEXT NOT NULL,
    description TEXT NOT NULL,
    note TEXT,
    created_date DATE
);

CREATE TABLE period (
    ID TEXT NOT NULL PRIMARY KEY,
    period_schedule_ID TEXT NOT NULL REFERENCES period_schedule (ID) ON DELETE CASCADE,
    name TEXT NOT NULL,
    start_date DATE NOT NULL,
    end_date DATE NOT NULL
);
CREATE INDEX period_schedule_of ON period (period_schedule_ID);


-- Level 2: stores, and what belongs to items, names and lists ---------------------------------------------------------

CREATE TABLE store (
    ID TEXT NOT NULL PRIMARY KEY,
    code TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    name_ID TEXT NOT NULL REFERENCES name (ID),     -- the name by which other stores order from it and send to it
    store_mode TEXT NOT NULL DEFAULT 'store',       -- store, dispensary
    disabled BOOLEAN NOT NULL DEFAULT 0,
    created_date DATE
);
CREATE INDEX store_name ON store (name_ID);

CREATE TABLE list_master_line (
    ID TEXT NOT NULL PRIMARY KEY,
    item_master_ID TEXT NOT NULL REFERENCES list_master (ID) ON DELETE CASCADE,
    item_ID TEXT NOT NULL REFERENCES item (ID) ON DELETE CASCADE,
    imprest_quan REAL,
    order_number INTEGER
);
CREATE INDEX list_master_line_list ON list_master_line (item_master_ID);
CREATE INDEX list_master_line_item ON list_master_line (item_ID);

CREATE TABLE list_master_name_join (
    ID TEXT NOT NULL PRIMARY KEY,
    list_master_ID TEXT NOT NULL REFERENCES list_master (ID) ON DELETE CASCADE,
    name_ID TEXT NOT NULL REFERENCES name (ID) ON DELETE CASCADE,
    description TEXT
);
CREATE INDEX list_master_name_join_list ON list_master_name_join (list_master_ID);
CREATE INDEX list_master_name_join_name ON list_master_name_join (name_ID);

CREATE TABLE name_tag_join (
    ID TEXT NOT NULL PRIMARY KEY,
    name_ID TEXT NOT NULL REFERENCES name (ID) ON DELETE CASCADE,
    name_tag_ID TEXT NOT NULL REFERENCES name_tag (ID) ON DELETE CASCADE
);
CREATE INDEX name_tag_join_name ON name_tag_join (name_ID);
CREATE INDEX name_tag_join_tag ON name_tag_join (name_tag_ID);

CREATE TABLE barcode (
    ID TEXT NOT NULL PRIMARY KEY,
    barcode TEXT NOT NULL,
    item_ID TEXT NOT NULL REFERENCES item (ID) ON DELETE CASCADE,
    pack_size REAL
);
CREATE INDEX barcode_item ON barcode (item_ID);

CREATE TABLE item_direction (
    ID TEXT NOT NULL PRIMARY KEY,
    item_ID TEXT NOT NULL REFERENCES item (ID) ON DELETE CASCADE,
    directions TEXT NOT NULL,
    priority INTEGER
);
CREATE INDEX item_direction_item ON item_direction (item_ID);


-- Level 3: what a store sees of the names, and its first own records --------------------------------------------------

CREATE TABLE name_store_join (
    ID TEXT NOT NULL PRIMARY KEY,
    name_ID TEXT NOT NULL REFERENCES name (ID) ON DELETE CASCADE,
    store_ID TEXT NOT NULL REFERENCES store (ID),
    inactive BOOLEAN NOT NULL DEFAULT 0,
    UNIQUE (name_ID, store_ID)
);
CREATE INDEX name_store_join_store ON name_store_join (store_ID);

CREATE TABLE location (
    ID TEXT NOT NULL PRIMARY KEY,
    store_ID TEXT NOT NULL REFERENCES store (ID),
    code TEXT NOT NULL,
    description TEXT,
    type_ID TEXT REFERENCES location_type (ID),
    hold BOOLEAN NOT NULL DEFAULT 0
);
CREATE INDEX location_store ON location (store_ID);
CREATE INDEX location_type_of ON location (type_ID);

-- linked_requisition_ID names the other store's half. No foreign key: that half belongs to another store.
CREATE TABLE requisition (
    ID TEXT NOT NULL PRIMARY KEY,
    name_ID TEXT NOT NULL REFERENCES name (ID),
    store_ID TEXT NOT NULL REFERENCES store (ID),
    type TEXT NOT NULL,                             -- request, response
    status TEXT NOT NULL,                           -- nw, cn, fn
    serial_number INTEGER NOT NULL,
    date_entered DATE NOT NULL,
    finalised_date DATE,
    days_to_supply INTEGER,
    period_ID TEXT REFERENCES period (ID),
    requester_reference TEXT,
    comment TEXT,
    linked_requisition_ID TEXT
);
CREATE INDEX requisition_name ON requisition (name_ID);
CREATE INDEX requisition_store ON requisition (store_ID, serial_number);
CREATE INDEX requisition_period ON requisition (period_ID);
CREATE INDEX requisition_linked ON requisition (linked_requisition_ID);

CREATE TABLE purchase_order (
    ID TEXT NOT NULL PRIMARY KEY,
    name_ID TEXT NOT NULL REFERENCES name (ID),
    store_ID TEXT NOT NULL REFERENCES store (ID),
    status TEXT NOT NULL,
    serial_number INTEGER NOT NULL,
    creation_date DATE NOT NULL,
    requested_delivery_date DATE,
    currency_ID TEXT REFERENCES currency (ID),
    reference TEXT,
    comment TEXT
);
CREATE INDEX purchase_order_name ON purchase_order (name_ID);
CREATE INDEX purchase_order_store ON purchase_order (store_ID, serial_number);
CREATE INDEX purchase_order_currency ON purchase_order (currency_ID);

CREATE TABLE activity_log (
    ID TEXT NOT NULL PRIMARY KEY,
    store_ID TEXT NOT NULL REFERENCES store (ID),
    type TEXT NOT NULL,
    user_ID TEXT,
    record_ID TEXT,
    event TEXT,
    log_date DATE NOT NULL,
    log_time INTEGER NOT NULL
);
CREATE INDEX activity_log_store ON activity_log (store_ID);


-- Level 4: stock, and the headers of transactions ---------------------------------------------------------------------

-- local_note is the storekeeper's own: it is left out of the record type, so writing it neither syncs nor is refused.
CREATE TABLE item_store_join (
    ID TEXT NOT NULL PRIMARY KEY,
    item_ID TEXT NOT NULL REFERENCES item (ID) ON DELETE CASCADE,
    store_ID TEXT NOT NULL REFERENCES store (ID),
    inactive BOOLEAN NOT NULL DEFAULT 0,
    forecast_quantity REAL,
    ignore_for_orders BOOLEAN NOT NULL DEFAULT 0,
    local_note TEXT,
    UNIQUE (item_ID, store_ID)
);
CREATE INDEX item_store_join_store ON item_store_join (store_ID);

-- One batch of one item on the shelf. available is what no draft has spoken for.
CREATE TABLE item_line (
    ID TEXT NOT NULL PRIMARY KEY,
    item_ID TEXT NOT NULL REFERENCES item (ID),
    store_ID TEXT NOT NULL REFERENCES store (ID),
    name_ID TEXT REFERENCES name (ID),              -- the supplier
    location_ID TEXT REFERENCES location (ID) ON DELETE SET NULL,
    batch TEXT,
    expiry_date DATE,
    pack_size REAL NOT NULL DEFAULT 1,
    quantity REAL NOT NULL DEFAULT 0,
    available REAL NOT NULL DEFAULT 0,
    cost_price REAL NOT NULL DEFAULT 0,
    sell_price REAL NOT NULL DEFAULT 0,
    hold BOOLEAN NOT NULL DEFAULT 0,
    note TEXT
);
CREATE INDEX item_line_item ON item_line (item_ID);
CREATE INDEX item_line_store ON item_line (store_ID, item_ID);
CREATE INDEX item_line_name ON item_line (name_ID);
CREATE INDEX item_line_location ON item_line (location_ID);

-- Two stores deal with each other by their names: the sender's customer invoice has the receiving store's name, and the
-- receiver's supplier invoice says in linked_transaction_ID which invoice it came from. No foreign key on that one: the
-- linked record belongs to the other store, and its deletion must not touch this store's record.
CREATE TABLE transact (
    ID TEXT NOT NULL PRIMARY KEY,
    name_ID TEXT NOT NULL REFERENCES name (ID),
    store_ID TEXT NOT NULL REFERENCES store (ID),
    type TEXT NOT NULL,                             -- si supplier invoice, sc supplier credit, ci customer invoice,
                                                    -- cc customer credit, sr stock repack, bu build
    status TEXT NOT NULL,                           -- nw new, cn confirmed, fn finalised
    mode TEXT NOT NULL DEFAULT 'store',             -- store, dispensary
    invoice_num INTEGER NOT NULL,
    entry_date DATE NOT NULL,
    entry_time INTEGER NOT NULL DEFAULT 0,
    confirm_date DATE,
    finalised_date DATE,
    user_ID TEXT,                                   -- users are not synchronised
    their_ref TEXT,
    comment TEXT,
    total REAL NOT NULL DEFAULT 0,
    currency_ID TEXT REFERENCES currency (ID),
    ship_method_ID TEXT REFERENCES ship_method (ID),
    diagnosis_ID TEXT REFERENCES diagnosis (ID),
    requisition_ID TEXT REFERENCES requisition (ID) ON DELETE SET NULL,
    linked_transaction_ID TEXT
);
CREATE INDEX transact_name ON transact (name_ID);
CREATE INDEX transact_store ON transact (store_ID, type, invoice_num);
CREATE INDEX transact_currency ON transact (currency_ID);
CREATE INDEX transact_ship_method ON transact (ship_method_ID);
CREATE INDEX transact_diagnosis ON transact (diagnosis_ID);
CREATE INDEX transact_requisition ON transact (requisition_ID);
CREATE INDEX transact_linked ON transact (linked_transaction_ID);

CREATE TABLE requisition_line (
    ID TEXT NOT NULL PRIMARY KEY,
    requisition_ID TEXT NOT NULL REFERENCES requisition (ID) ON DELETE CASCADE,
    item_ID TEXT NOT NULL REFERENCES item (ID),
    line_number INTEGER NOT NULL,
    stock_on_hand REAL NOT NULL DEFAULT 0,
    suggested_quantity REAL,
    requested_quantity REAL NOT NULL DEFAULT 0,
    supplied_quantity REAL,
    option_ID TEXT REFERENCES options (ID),
    comment TEXT
);
CREATE INDEX requisition_line_header ON requisition_line (requisition_ID);
CREATE INDEX requisition_line_item ON requisition_line (item_ID);
CREATE INDEX requisition_line_option ON requisition_line (option_ID);

CREATE TABLE purchase_order_line (
    ID TEXT NOT NULL PRIMARY KEY,
    purchase_order_ID TEXT NOT NULL REFERENCES purchase_order (ID) ON DELETE CASCADE,
    item_ID TEXT NOT NULL REFERENCES item (ID),
    line_number INTEGER NOT NULL,
    quan_original_order REAL NOT NULL DEFAULT 0,
    quan_received_to_date REAL NOT NULL DEFAULT 0,
    pack_size REAL NOT NULL DEFAULT 1,
    price REAL,
    delivery_date_requested DATE
);
CREATE INDEX purchase_order_line_header ON purchase_order_line (purchase_order_ID);
CREATE INDEX purchase_order_line_item ON purchase_order_line (item_ID);

CREATE TABLE sensor (
    ID TEXT NOT NULL PRIMARY KEY,
    storeID TEXT NOT NULL REFERENCES store (ID),    -- so spelt in the field
    location_ID TEXT REFERENCES location (ID) ON DELETE SET NULL,
    name TEXT NOT NULL,
    mac_address TEXT,
    battery_level INTEGER,
    is_active BOOLEAN NOT NULL DEFAULT 1
);
CREATE INDEX sensor_store ON sensor (storeID);
CREATE INDEX sensor_location ON sensor (location_ID);


-- Level 5: lines, stocktakes, the cold chain --------------------------------------------------------------------------

CREATE TABLE trans_line (
    ID TEXT NOT NULL PRIMARY KEY,
    transaction_ID TEXT NOT NULL REFERENCES transact (ID) ON DELETE CASCADE,
    item_ID TEXT NOT NULL REFERENCES item (ID),
    item_line_ID TEXT REFERENCES item_line (ID),    -- the stock that it took or made
    line_number INTEGER NOT NULL,
    type TEXT NOT NULL,                             -- stock_in, stock_out, service
    item_name TEXT,
    batch TEXT,
    expiry_date DATE,
    pack_size REAL NOT NULL DEFAULT 1,
    quantity REAL NOT NULL,
    cost_price REAL NOT NULL DEFAULT 0,
    sell_price REAL NOT NULL DEFAULT 0,
    location_ID TEXT REFERENCES location (ID) ON DELETE SET NULL,
    option_ID TEXT REFERENCES options (ID),
    note TEXT
);
CREATE INDEX trans_line_header ON trans_line (transaction_ID);
CREATE INDEX trans_line_item ON trans_line (item_ID);
CREATE INDEX trans_line_item_line ON trans_line (item_line_ID);
CREATE INDEX trans_line_location ON trans_line (location_ID);
CREATE INDEX trans_line_option ON trans_line (option_ID);

CREATE TABLE stock_take (
    ID TEXT NOT NULL PRIMARY KEY,
    store_ID TEXT NOT NULL REFERENCES store (ID),
    serial_number INTEGER NOT NULL,
    description TEXT,
    status TEXT NOT NULL,                           -- sg suggested, fn finalised
    stock_take_date DATE NOT NULL,
    invad_additions_ID TEXT REFERENCES transact (ID) ON DELETE SET NULL,
    invad_reductions_ID TEXT REFERENCES transact (ID) ON DELETE SET NULL,
    comment TEXT
);
CREATE INDEX stock_take_store ON stock_take (store_ID, serial_number);
CREATE INDEX stock_take_additions ON stock_take (invad_additions_ID);
CREATE INDEX stock_take_reductions ON stock_take (invad_reductions_ID);

CREATE TABLE location_movement (
    ID TEXT NOT NULL PRIMARY KEY,
    store_ID TEXT NOT NULL REFERENCES store (ID),
    location_ID TEXT NOT NULL REFERENCES location (ID) ON DELETE CASCADE,
    item_line_ID TEXT NOT NULL REFERENCES item_line (ID) ON DELETE CASCADE,
    enter_date DATE NOT NULL,
    exit_date DATE
);
CREATE INDEX location_movement_store ON location_movement (store_ID);
CREATE INDEX location_movement_location ON location_movement (location_ID);
CREATE INDEX location_movement_item_line ON location_movement (item_line_ID);

CREATE TABLE temperature_breach (
    ID TEXT NOT NULL PRIMARY KEY,
    store_ID TEXT NOT NULL REFERENCES store (ID),
    sensor_ID TEXT NOT NULL REFERENCES sensor (ID),
    location_ID TEXT REFERENCES location (ID) ON DELETE SET NULL,
    type TEXT NOT NULL,                             -- hot, cold
    start_date DATE NOT NULL,
    end_date DATE,
    acknowledged BOOLEAN NOT NULL DEFAULT 0
);
CREATE INDEX temperature_breach_store ON temperature_breach (store_ID);
CREATE INDEX temperature_breach_sensor ON temperature_breach (sensor_ID);
CREATE INDEX temperature_breach_location ON temperature_breach (location_ID);


-- Level 6: what refers to level 5 -------------------------------------------------------------------------------------

CREATE TABLE stock_take_lines (
    ID TEXT NOT NULL PRIMARY KEY,
    stock_take_ID TEXT NOT NULL REFERENCES stock_take (ID) ON DELETE CASCADE,
    item_ID TEXT NOT NULL REFERENCES item (ID),
    item_line_ID TEXT REFERENCES item_line (ID) ON DELETE SET NULL,
    line_number INTEGER NOT NULL,
    snapshot_qty REAL NOT NULL,
    stock_take_qty REAL NOT NULL,
    pack_size REAL NOT NULL DEFAULT 1,
    batch TEXT,
    expiry_date DATE,
    option_ID TEXT REFERENCES options (ID)
);
CREATE INDEX stock_take_lines_header ON stock_take_lines (stock_take_ID);
CREATE INDEX stock_take_lines_item ON stock_take_lines (item_ID);
CREATE INDEX stock_take_lines_item_line ON stock_take_lines (item_line_ID);
CREATE INDEX stock_take_lines_option ON stock_take_lines (option_ID);

CREATE TABLE goods_received_line (
    ID TEXT NOT NULL PRIMARY KEY,
    store_ID TEXT NOT NULL REFERENCES store (ID),
    order_line_ID TEXT REFERENCES purchase_order_line (ID) ON DELETE SET NULL,
    trans_line_ID TEXT REFERENCES trans_line (ID) ON DELETE SET NULL,   -- the supplier invoice's line that it became
    item_ID TEXT NOT NULL REFERENCES item (ID),
    quantity_received REAL NOT NULL,
    pack_received REAL NOT NULL DEFAULT 1,
    batch_received TEXT,
    expiry_date DATE,
    received_date DATE NOT NULL
);
CREATE INDEX goods_received_line_store ON goods_received_line (store_ID);
CREATE INDEX goods_received_line_order_line ON goods_received_line (order_line_ID);
CREATE INDEX goods_received_line_trans_line ON goods_received_line (trans_line_ID);
CREATE INDEX goods_received_line_item ON goods_received_line (item_ID);

CREATE TABLE temperature_log (
    ID TEXT NOT NULL PRIMARY KEY,
    store_ID TEXT NOT NULL REFERENCES store (ID),
    sensor_ID TEXT NOT NULL REFERENCES sensor (ID),
    location_ID TEXT REFERENCES location (ID) ON DELETE SET NULL,
    temperature_breach_ID TEXT REFERENCES temperature_breach (ID) ON DELETE SET NULL,
    temperature REAL NOT NULL,
    log_date DATE NOT NULL,
    log_time INTEGER NOT NULL
);
CREATE INDEX temperature_log_store ON temperature_log (store_ID);
CREATE INDEX temperature_log_sensor ON temperature_log (sensor_ID);
CREATE INDEX temperature_log_location ON temperature_log (location_ID);
CREATE INDEX temperature_log_breach ON temperature_log (temperature_breach_ID);
