//! Links and what stands in them.

use super::{Element, Reader, place_of, text};
use crate::link::{InterfaceRef, Link, LinkType, Property};
use crate::{Extension, RspecError};

impl Reader<'_> {
    pub(crate) fn link(&self, element: Element<'_, '_>) -> Result<Link, RspecError> {
        let position = self.place(element);
        let mut link = Link {
            client_id: self.required_name(element, "client_id")?.to_owned(),
            sliver_id: self.sliver_id(element)?,
            vlantag: text(element, "vlantag"),
            component_managers: Vec::new(),
            interface_refs: Vec::new(),
            link_types: Vec::new(),
            properties: Vec::new(),
            extensions: Vec::new(),
            position,
            source: self.source(element),
        };
        self.attributes(element, &["client_id", "sliver_id", "vlantag"], &mut link.extensions);
        for child in element.children() {
            let Some(child) = self.ours(element, child, &mut link.extensions)? else { continue };
            match child.tag_name().name() {
                "interface_ref" => {
                    let end = self.interface_ref(child)?;
                    link.interface_refs.push(end);
                }
                "component_manager" => {
                    link.component_managers.push(self.required_name(child, "name")?.to_owned());
                    self.leaf(child, &["name"], &mut link.extensions)?;
                }
                "link_type" => {
                    link.link_types.push(LinkType {
                        name: self.required_name(child, "name")?.to_owned(),
                        class: text(child, "class"),
                    });
                    self.leaf(child, &["name", "class"], &mut link.extensions)?;
                }
                "property" => {
                    link.properties.push(Property {
                        source_id: self.required(child, "source_id")?.to_owned(),
                        dest_id: self.required(child, "dest_id")?.to_owned(),
                        capacity: text(child, "capacity"),
                        latency: text(child, "latency"),
                        packet_loss: text(child, "packet_loss"),
                    });
                    let known = ["source_id", "dest_id", "capacity", "latency", "packet_loss"];
                    self.leaf(child, &known, &mut link.extensions)?;
                }
                "component_hop" => {
                    self.component_hop(child)?;
                    link.extensions.push(Extension::element(place_of(element), child));
                }
                _ => {
                    return Err(self.misplaced(
                        child,
                        "interface_ref, component_manager, link_type, property, component_hop, extensions",
                    ));
                }
            }
        }
        Ok(link)
    }

    fn interface_ref(&self, element: Element<'_, '_>) -> Result<InterfaceRef, RspecError> {
        let mut end = InterfaceRef {
            client_id: self.required_name(element, "client_id")?.to_owned(),
            sliver_id: self.sliver_id(element)?,
            component_id: text(element, "component_id"),
            extensions: Vec::new(),
            position: self.place(element),
        };
        self.leaf(element, &["client_id", "sliver_id", "component_id"], &mut end.extensions)?;
        Ok(end)
    }

    /// A hop is only checked: it is kept and compared as a whole.
    fn component_hop(&self, element: Element<'_, '_>) -> Result<(), RspecError> {
        for child in element.children() {
            let Some(child) = self.ours(element, child, &mut Vec::new())? else { continue };
            match child.tag_name().name() {
                "component_manager" => self.required_name(child, "name")?,
                "interface_ref" => {
                    self.required(child, "component_id")?;
                    self.required(child, "component_manager_id")?
                }
                _ => return Err(self.misplaced(child, "component_manager, interface_ref, extensions")),
            };
            self.leaf(child, &[], &mut Vec::new())?;
        }
        Ok(())
    }
}
