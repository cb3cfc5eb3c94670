//! Nodes and what stands in them.

use super::volume::{VolumesSoFar, is_blockstore};
use super::{Element, Reader, place_of, text};
use crate::node::{
    DiskImage, Execute, Install, Interface, Ip, Node, Relation, RequestedLogin, Services, SliverType,
};
use crate::{Extension, Host, RspecError};

const NODE: &[&str] = &[
    "client_id",
    "component_id",
    "component_manager_id",
    "component_name",
    "exclusive",
    "colocate",
    "sliver_id",
];

impl Reader<'_> {
    pub(crate) fn node(&self, element: Element<'_, '_>) -> Result<Node, RspecError> {
        let position = self.place(element);
        let mut node = Node {
            client_id: self.required_name(element, "client_id")?.to_owned(),
            component_id: text(element, "component_id"),
            component_manager_id: text(element, "component_manager_id"),
            component_name: text(element, "component_name"),
            exclusive: self.boolean(element, "exclusive")?,
            colocate: text(element, "colocate"),
            sliver_id: self.sliver_id(element)?,
            sliver_types: Vec::new(),
            hardware_types: Vec::new(),
            interfaces: Vec::new(),
            services: Services::default(),
            host: None,
            relations: Vec::new(),
            volumes: Ok(Vec::new()),
            extensions: Vec::new(),
            position,
            source: self.source(element),
        };
        self.attributes(element, NODE, &mut node.extensions);
        let mut so_far = VolumesSoFar::default();
        for child in element.children() {
            if is_blockstore(child) {
                if let Ok(volumes) = &mut node.volumes {
                    match self.volume(child, &mut so_far, &mut node.extensions) {
                        Ok(volume) => volumes.push(volume),
                        Err(error) => node.volumes = Err(error),
                    }
                }
                continue;
            }
            let Some(child) = self.ours(element, child, &mut node.extensions)? else { continue };
            match child.tag_name().name() {
                "sliver_type" => {
                    let sliver_type = self.sliver_type(child, &mut node.extensions)?;
                    node.sliver_types.push(sliver_type);
                }
                "hardware_type" => {
                    node.hardware_types.push(self.required_name(child, "name")?.to_owned());
                    self.leaf(child, &["name"], &mut node.extensions)?;
                }
                "interface" => {
                    let interface = self.interface(child)?;
                    node.interfaces.push(interface);
                }
                "services" => self.services(child, &mut node.services, &mut node.extensions)?,
                "host" => node.host = Some(self.host(child)?),
                "relation" => {
                    node.relations.push(Relation {
                        kind: self.required(child, "type")?.to_owned(),
                        client_id: self.required_name(child, "client_id")?.to_owned(),
                    });
                    self.leaf(child, &["type", "client_id"], &mut node.extensions)?;
                }
                "location" => {
                    self.required(child, "country")?;
                    self.leaf(child, &["country", "latitude", "longitude"], &mut Vec::new())?;
                    node.extensions.push(Extension::element(place_of(element), child));
                }
                _ => {
                    return Err(self.misplaced(
                        child,
                        "sliver_type, hardware_type, interface, services, relation, location, host, extensions",
                    ));
                }
            }
        }
        Ok(node)
    }

    fn sliver_type(
        &self,
        element: Element<'_, '_>,
        extensions: &mut Vec<Extension>,
    ) -> Result<SliverType, RspecError> {
        let mut sliver_type =
            SliverType { name: self.required_name(element, "name")?.to_owned(), disk_images: Vec::new() };
        self.attributes(element, &["name"], extensions);
        for child in element.children() {
            let Some(child) = self.ours(element, child, extensions)? else { continue };
            match child.tag_name().name() {
                "disk_image" => {
                    sliver_type.disk_images.push(DiskImage {
                        name: self.required_name(child, "name")?.to_owned(),
                        os: text(child, "os"),
                        version: text(child, "version"),
                        description: text(child, "description"),
                    });
                    self.leaf(child, &["name", "os", "version", "description"], extensions)?;
                }
                _ => return Err(self.misplaced(child, "disk_image, extensions")),
            }
        }
        Ok(sliver_type)
    }

    fn interface(&self, element: Element<'_, '_>) -> Result<Interface, RspecError> {
        let position = self.place(element);
        let mut interface = Interface {
            client_id: self.required_name(element, "client_id")?.to_owned(),
            sliver_id: self.sliver_id(element)?,
            component_id: text(element, "component_id"),
            mac_address: text(element, "mac_address"),
            ips: Vec::new(),
            extensions: Vec::new(),
            position,
        };
        let known = ["client_id", "sliver_id", "component_id", "mac_address"];
        self.attributes(element, &known, &mut interface.extensions);
        for child in element.children() {
            let Some(child) = self.ours(element, child, &mut interface.extensions)? else { continue };
            match child.tag_name().name() {
                "ip" => {
                    interface.ips.push(Ip {
                        address: self.required(child, "address")?.to_owned(),
                        netmask: text(child, "netmask"),
                        kind: text(child, "type").unwrap_or_else(|| "ipv4".to_owned()),
                    });
                    self.leaf(child, &["address", "netmask", "type"], &mut interface.extensions)?;
                }
                "host" => {
                    self.host(child)?;
                }
                _ => return Err(self.misplaced(child, "ip, host, extensions")),
            }
        }
        Ok(interface)
    }

    fn host(&self, element: Element<'_, '_>) -> Result<Host, RspecError> {
        let host = Host { name: self.required(element, "name")?.to_owned(), ipv4: text(element, "ipv4") };
        self.leaf(element, &["name", "ipv4"], &mut Vec::new())?;
        Ok(host)
    }

    fn services(
        &self,
        element: Element<'_, '_>,
        services: &mut Services,
        extensions: &mut Vec<Extension>,
    ) -> Result<(), RspecError> {
        self.attributes(element, &[], extensions);
        for child in element.children() {
            let Some(child) = self.ours(element, child, extensions)? else { continue };
            match child.tag_name().name() {
                "login" => {
                    services.logins.push(RequestedLogin {
                        authentication: self.required(child, "authentication")?.to_owned(),
                        hostname: text(child, "hostname"),
                        port: text(child, "port"),
                        username: text(child, "username"),
                    });
                    // Logins are not compared, nor is what stands in them.
                    self.leaf(child, &[], &mut Vec::new())?;
                }
                "install" => {
                    services.installs.push(Install {
                        url: self.required(child, "url")?.to_owned(),
                        install_path: self.required(child, "install_path")?.to_owned(),
                    });
                    self.leaf(child, &["url", "install_path"], extensions)?;
                }
                "execute" => {
                    services.executes.push(Execute {
                        shell: self.required(child, "shell")?.to_owned(),
                        command: self.required(child, "command")?.to_owned(),
                    });
                    self.leaf(child, &["shell", "command"], extensions)?;
                }
                _ => return Err(self.misplaced(child, "login, install, execute, extensions")),
            }
        }
        Ok(())
    }
}
