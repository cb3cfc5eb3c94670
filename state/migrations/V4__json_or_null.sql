-- json_valid(NULL) is NULL in later versions of SQLite, which satisfies a CHECK, and 0 in earlier ones (3.40), which
-- does not: a copy of these tables made by an earlier one lost every row without a pending change or an instance.
CREATE TABLE slivers_new (
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
    pending       TEXT    CHECK (pending IS NULL OR json_valid(pending)),
    instance      TEXT    CHECK (instance IS NULL OR json_valid(instance)),
    error         TEXT,
    UNIQUE (slice, position),
    CHECK ((allocation = 'geni_updating') = (pending IS NOT NULL)),
    CHECK (allocation <> 'geni_allocated' OR (operational = 'geni_pending_allocation' AND instance IS NULL))
) STRICT;
INSERT INTO slivers_new (key, urn, slice, position, resource, created, creator, expires, allocation, operational,
    settled, suspended, power, wanted, configuration, pending, instance, error)
SELECT key, urn, slice, position, resource, created, creator, expires, allocation, operational,
    settled, suspended, power, wanted, configuration, pending, instance, error FROM slivers ORDER BY rowid;
DROP TABLE slivers;
ALTER TABLE slivers_new RENAME TO slivers;
CREATE INDEX slivers_by_expiry ON slivers (suspended, expires);
CREATE INDEX slivers_unsettled ON slivers (key) WHERE settled = 0;

CREATE TABLE departed_new (
    key           TEXT    NOT NULL PRIMARY KEY,
    urn           TEXT    NOT NULL,
    slice         TEXT    NOT NULL, -- as written; the slice itself may be gone
    resource      TEXT    NOT NULL CHECK (resource IN ('node', 'link')),
    created       INTEGER NOT NULL,
    creator       TEXT    NOT NULL,
    departed      INTEGER NOT NULL,
    cause         TEXT    NOT NULL CHECK (cause IN ('deleted', 'cancelled', 'removed', 'expired')),
    configuration TEXT    CHECK (configuration IS NULL OR json_valid(configuration)),
    instance      TEXT    CHECK (instance IS NULL OR json_valid(instance)),
    CHECK (instance IS NULL OR configuration IS NOT NULL)
) STRICT, WITHOUT ROWID;
INSERT INTO departed_new (key, urn, slice, resource, created, creator, departed, cause, configuration, instance)
SELECT key, urn, slice, resource, created, creator, departed, cause, configuration, instance FROM departed;
DROP TABLE departed;
ALTER TABLE departed_new RENAME TO departed;
CREATE INDEX departed_to_clear ON departed (key) WHERE configuration IS NOT NULL;
CREATE INDEX departed_cleared ON departed (departed) WHERE configuration IS NULL;
