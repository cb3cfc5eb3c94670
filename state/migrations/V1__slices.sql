-- Everything the aggregate has to remember. Times are whole seconds since 1970, UTC. A "key" is a URN in its
-- folded form, equal for two URNs exactly when they are the same; "urn" beside it is the URN as written.

-- Grows with every saved transition; a slice's version is the count at its last save, so that no version
-- number is ever given twice.
CREATE TABLE saves (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    count    INTEGER NOT NULL CHECK (count >= 0)
) STRICT;
INSERT INTO saves VALUES (1, 0);

CREATE TABLE slices (
    key         TEXT    NOT NULL PRIMARY KEY,
    urn         TEXT    NOT NULL,
    version     INTEGER NOT NULL CHECK (version > 0),
    created     INTEGER NOT NULL,
    shutdown_by TEXT,
    shutdown_at INTEGER,
    CHECK ((shutdown_by IS NULL) = (shutdown_at IS NULL))
) STRICT, WITHOUT ROWID;

-- Documents around the slivers of a slice.
CREATE TABLE frames (
    slice    TEXT    NOT NULL REFERENCES slices (key),
    number   INTEGER NOT NULL CHECK (number > 0),
    document TEXT    NOT NULL,
    PRIMARY KEY (slice, number)
) STRICT;

-- Slivers that exist. What is looked for has its own column; what is only read whole is JSON.
CREATE TABLE slivers (
    key           TEXT    NOT NULL PRIMARY KEY,
    urn           TEXT    NOT NULL,
    slice         TEXT    NOT NULL REFERENCES slices (key),
    position      INTEGER NOT NULL,
    resource      TEXT    NOT NULL CHECK (resource IN ('node', 'link')),
    created       INTEGER NOT NULL,
    creator       TEXT    NOT NULL,
    expires       INTEGER NOT NULL,
    allocation    TEXT    NOT NULL CHECK (allocation IN ('geni_allocated', 'geni_provisioned', 'geni_updating')),
    operational   TEXT    NOT NULL CHECK (operational IN (
        'geni_pending_allocation', 'geni_notready', 'geni_configuring', 'geni_stopping', 'geni_ready',
        'geni_updating_users', 'geni_failed')),
    settled       INTEGER NOT NULL CHECK (settled IN (0, 1)),
    suspended     INTEGER NOT NULL CHECK (suspended IN (0, 1)),
    power         TEXT    NOT NULL CHECK (power IN ('stopped', 'running')),
    wanted        TEXT    NOT NULL CHECK (json_valid(wanted)),
    configuration TEXT    NOT NULL CHECK (json_valid(configuration)), -- allocated or granted
    pending       TEXT    CHECK (json_valid(pending)),
    instance      TEXT    CHECK (json_valid(instance)),
    error         TEXT,
    UNIQUE (slice, position),
    CHECK ((allocation = 'geni_updating') = (pending IS NOT NULL)),
    CHECK (allocation <> 'geni_allocated' OR (operational = 'geni_pending_allocation' AND instance IS NULL))
) STRICT;
CREATE INDEX slivers_by_expiry ON slivers (suspended, expires);
CREATE INDEX slivers_unsettled ON slivers (key) WHERE settled = 0;

-- Slivers that ceased to exist: their names stay taken for ever. While something may still be left of one in
-- the cloud, its configuration and instance are kept.
CREATE TABLE departed (
    key           TEXT    NOT NULL PRIMARY KEY,
    urn           TEXT    NOT NULL,
    slice         TEXT    NOT NULL, -- as written; the slice itself may be gone
    resource      TEXT    NOT NULL CHECK (resource IN ('node', 'link')),
    created       INTEGER NOT NULL,
    creator       TEXT    NOT NULL,
    departed      INTEGER NOT NULL,
    cause         TEXT    NOT NULL CHECK (cause IN ('deleted', 'cancelled', 'removed', 'expired')),
    configuration TEXT    CHECK (json_valid(configuration)),
    instance      TEXT    CHECK (json_valid(instance)),
    CHECK (instance IS NULL OR configuration IS NOT NULL)
) STRICT, WITHOUT ROWID;
CREATE INDEX departed_to_clear ON departed (key) WHERE configuration IS NOT NULL;

-- What there is, and what slivers hold of it. "over" is by how much the operator lowered a total below what
-- was held at that time; it can only shrink as slivers give back, so that nothing more can be held than the
-- total, except what was held before it was lowered.
CREATE TABLE capacity (
    resource TEXT    NOT NULL PRIMARY KEY,
    total    INTEGER NOT NULL CHECK (total >= 0),
    held     INTEGER NOT NULL DEFAULT 0,
    over     INTEGER NOT NULL DEFAULT 0 CHECK (over >= 0),
    CHECK (held BETWEEN 0 AND total + over)
) STRICT, WITHOUT ROWID;
