//! The XML schemas.
