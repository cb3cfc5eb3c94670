-- A slice is more than its URN: the UUID of its certificate, lower case. NULL for a slice whose certificate bears none, and
-- for one from before this was kept, until it is changed the next time.
ALTER TABLE slices ADD COLUMN uuid TEXT;
