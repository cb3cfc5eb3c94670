//! Volumes of nodes: Emulab's `blockstore` element.

use super::{Element, Reader};
use crate::volume::{MAX_NAME, Volume, gigabytes, is_mountpoint, is_name};
use crate::xml::{EMULAB, is_blank};
use crate::{Extension, Position, RspecError, RspecErrorKind};
use ahash::AHashMap;

/// Attributes that mean something. `device` is what a manifest tells; in a request it is not looked at.
const KNOWN: &[&str] =
    &["name", "size", "mountpoint", "class", "placement", "readonly", "rwclone", "dataset", "device"];

/// The most volumes of a node that are read: far more than any node may have, and few enough to be no burden.
const MAX_PER_NODE: usize = 256;

/// The volumes of a node that were read so far, with their places.
#[derive(Debug, Default)]
pub(super) struct VolumesSoFar {
    names: AHashMap<String, Position>,
    mountpoints: AHashMap<String, Position>,
}

/// Whether the element asks for a volume.
pub(crate) fn is_blockstore(element: Element<'_, '_>) -> bool {
    element.has_tag_name((EMULAB, "blockstore"))
}

impl Reader<'_> {
    /// A volume of a node whose volumes so far are these. Only a node of ours has to bear the error: what another
    /// aggregate can do is for that one to say.
    pub(super) fn volume(
        &self,
        element: Element<'_, '_>,
        so_far: &mut VolumesSoFar,
        extensions: &mut Vec<Extension>,
    ) -> Result<Volume, RspecError> {
        if so_far.names.len() == MAX_PER_NODE {
            let message = format!("a node may have {MAX_PER_NODE} blockstores at most");
            return Err(self.error(RspecErrorKind::TooLarge, element.range().start, message));
        }
        self.only_what_is_done(element)?;
        // What other namespaces add is kept and compared, as in every element.
        for attribute in element.attributes().filter(|attribute| attribute.namespace().is_some()) {
            extensions.push(Extension::attribute(super::place_of(element), attribute));
        }
        for child in element.children() {
            if child.is_element() {
                extensions.push(Extension::element(super::place_of(element), child));
            } else if child.is_text() && !is_blank(child.text().unwrap_or_default()) {
                let message = "blockstore may not hold text";
                return Err(self.error(RspecErrorKind::Schema, child.range().start, message));
            }
        }
        let name = self.required(element, "name")?;
        if !is_name(name) {
            let wanted = format!("a name of 1 to {MAX_NAME} characters");
            return Err(self.bad_value(element, "name", &wanted));
        }
        let size = self.required(element, "size")?;
        let wanted = "a whole number of GB or TB, such as 30GB";
        let gigabytes = gigabytes(size).ok_or_else(|| self.bad_value(element, "size", wanted))?;
        let mountpoint = element.attribute("mountpoint").filter(|path| !path.is_empty());
        if mountpoint.is_some_and(|path| !is_mountpoint(path)) {
            let wanted = "an absolute path of letters, digits, '.', '_' and '-', such as /data";
            return Err(self.bad_value(element, "mountpoint", wanted));
        }
        let position = self.place(element);
        let taken = |what: &str, first: Position| {
            RspecError::new(
                RspecErrorKind::DuplicateVolume,
                position,
                format!("two blockstores of the node have the {what}; the first stands at {first}"),
            )
        };
        if let Some(first) = so_far.names.insert(name.to_owned(), position) {
            return Err(taken(&format!("name {name:?}"), first));
        }
        if let Some(path) = mountpoint
            && let Some(first) = so_far.mountpoints.insert(path.to_owned(), position)
        {
            return Err(taken(&format!("mountpoint {path:?}"), first));
        }
        Ok(Volume { name: name.to_owned(), gigabytes, mountpoint: mountpoint.map(str::to_owned), position })
    }

    /// Refuses what the extension has and an aggregate here does not do.
    fn only_what_is_done(&self, element: Element<'_, '_>) -> Result<(), RspecError> {
        let unsupported = |name: &str, why: &str| {
            let found = element.attribute_node(name);
            let (at, value) = found.map_or((0, ""), |it| (it.range().start, it.value()));
            let value = crate::error::shorten(value);
            let message = format!("blockstore: {name}={value:?} is not done here: {why}");
            Err(self.error(RspecErrorKind::Unsupported, at, message))
        };
        let is_true =
            |name| -> Result<bool, RspecError> { Ok(self.boolean(element, name)?.unwrap_or(false)) };
        if !matches!(element.attribute("class"), None | Some("local")) {
            return unsupported("class", "volumes are local to their node (class=\"local\")");
        }
        if element.attribute("dataset").is_some_and(|it| !it.is_empty()) {
            return unsupported("dataset", "volumes begin empty and go with their node");
        }
        if !matches!(element.attribute("placement"), None | Some("any" | "nonsysvol")) {
            return unsupported(
                "placement",
                "a volume is a disk of its own (placement=\"any\" or \"nonsysvol\")",
            );
        }
        if is_true("readonly")? {
            return unsupported("readonly", "an empty volume that cannot be written is of no use");
        }
        if is_true("rwclone")? {
            return unsupported("rwclone", "volumes begin empty and go with their node");
        }
        let unknown = |name: &str| !KNOWN.contains(&name);
        match element.attributes().find(|it| it.namespace().is_none() && unknown(it.name())) {
            Some(it) => unsupported(it.name(), "what is done goes by name, size and mountpoint"),
            None => Ok(()),
        }
    }
}
