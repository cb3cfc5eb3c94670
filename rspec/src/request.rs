//! Requests, and manifests used as requests.

use crate::{Frame, Limits, Link, Node, RspecError};
use urn::Authority;

/// What the root's `type` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DocumentType {
    /// `request`.
    Request,
    /// `manifest`.
    Manifest,
}

/// A request, or a manifest used as one: all nodes and links of the document, ours or not, in document order.
#[derive(Debug, Clone)]
pub struct Request {
    /// What the document calls itself.
    pub document_type: DocumentType,
    /// All nodes.
    pub nodes: Vec<Node>,
    /// All links.
    pub links: Vec<Link>,
    pub(crate) whole: Frame,
}

/// The nodes and links of a document that are asked from one aggregate.
#[derive(Debug, Clone, Default)]
pub struct Local<'a> {
    /// Nodes of ours.
    pub nodes: Vec<&'a Node>,
    /// Links that are at least partly ours.
    pub links: Vec<&'a Link>,
}

impl Request {
    /// Reads the argument of Allocate: a document of type `request`, whose links name only interfaces of the
    /// document.
    ///
    /// # Errors
    /// [`RspecError`] says what is wrong and where.
    pub fn parse_request(xml: &str, limits: &Limits) -> Result<Self, RspecError> {
        let _ = (xml, limits);
        unimplemented!()
    }

    /// Reads the argument of Update: a request or a manifest (AM API v4 draft, change set C). A link may
    /// name interfaces of nodes that the call leaves alone, so the caller has to check ends that
    /// the document does not hold (see [`Request::dangling_interface_refs`]).
    ///
    /// # Errors
    /// [`RspecError`] says what is wrong and where.
    pub fn parse_update(xml: &str, limits: &Limits) -> Result<Self, RspecError> {
        let _ = (xml, limits);
        unimplemented!()
    }

    /// The error for the first link end that neither names an interface of the document nor one that `is_known`.
    ///
    /// # Errors
    /// [`crate::RspecErrorKind::DanglingInterfaceRef`].
    pub fn dangling_interface_refs(&self, is_known: impl Fn(&str) -> bool) -> Result<(), RspecError> {
        let _ = is_known;
        unimplemented!()
    }

    /// The nodes and links asked from the aggregate of `ours`.
    #[must_use]
    pub fn local(&self, ours: &Authority) -> Local<'_> {
        self.local_with(ours, |_| false)
    }

    /// As [`Request::local`], where the slice also has interfaces that the document does not show.
    pub fn local_with(&self, ours: &Authority, is_known: impl Fn(&str) -> bool) -> Local<'_> {
        let _ = (ours, is_known);
        unimplemented!()
    }

    /// What belongs to no sliver of ours but must come back in the manifest.
    #[must_use]
    pub fn frame(&self, ours: &Authority) -> Frame {
        let _ = ours;
        self.whole.clone()
    }
}
