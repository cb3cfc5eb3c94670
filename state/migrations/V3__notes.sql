-- What others want to find again after a start: a text by its name, opaque here.
CREATE TABLE notes (
    name TEXT NOT NULL PRIMARY KEY,
    text TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Departed slivers of which nothing is left, by age: in the end they are forgotten.
CREATE INDEX departed_cleared ON departed (departed) WHERE configuration IS NULL;
