//! Slices and events for the tests of the calls.
