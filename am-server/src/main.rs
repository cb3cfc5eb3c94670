//! The aggregate manager.
fn main() {}
