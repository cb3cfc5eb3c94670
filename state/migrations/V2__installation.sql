-- Whose the instances are: every database is an installation of its own, and owns nothing that another one built.
-- One from before there were installations, and in use, has the empty identity: what it built bears none.
CREATE TABLE installation (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    id       TEXT    NOT NULL
) STRICT;
INSERT INTO installation
SELECT 1, CASE
    WHEN EXISTS (SELECT 1 FROM slices) OR EXISTS (SELECT 1 FROM departed) THEN ''
    ELSE lower(hex(randomblob(16)))
END;
