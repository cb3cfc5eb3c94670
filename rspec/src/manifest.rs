//! Writing manifests.

use crate::{Frame, GrantedLink, GrantedNode, Link, Node};
use chrono::{DateTime, Utc};

/// Writes a manifest: the request's own words, with what was granted put in.
#[derive(Debug)]
pub struct ManifestWriter {}

impl ManifestWriter {
    /// Starts a manifest. `expires` is the soonest expiry of the slivers in it. Of what several frames hold alike,
    /// the manifest has one.
    #[must_use]
    pub fn new(generated: DateTime<Utc>, expires: Option<DateTime<Utc>>, frames: &[Frame]) -> Self {
        let _ = (generated, expires, frames);
        Self {}
    }

    /// Adds a node of ours: what the request said, echoed at its place, with granted values replacing what
    /// they settle.
    pub fn node(&mut self, asked: &Node, granted: &GrantedNode) -> &mut Self {
        let _ = (asked, granted);
        self
    }

    /// Adds a link of ours.
    pub fn link(&mut self, asked: &Link, granted: &GrantedLink) -> &mut Self {
        let _ = (asked, granted);
        self
    }

    /// The document.
    #[must_use]
    pub fn finish(self) -> String {
        unimplemented!()
    }
}
