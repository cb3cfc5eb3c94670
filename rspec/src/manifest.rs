//! Writing manifests.

use crate::edit::{edit_link, edit_node};
use crate::frame::{FrameItem, ItemKind, RootAttribute, push_root_attributes, push_schema_locations};
use crate::source::{Context, Edits, Source};
use crate::xml::{EMULAB, GENI, PRESERVE, USER, XSI, push_attribute};
use crate::{Frame, GrantedLink, GrantedNode, Link, Node};
use chrono::{DateTime, SecondsFormat, Utc};
use roxmltree::{Document, Node as Element};
use std::collections::{HashMap, HashSet};

/// Writes a manifest: the request's own words, with what was granted put in.
///
/// ```
/// use rspec::{GrantedNode, Limits, ManifestWriter, Request};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let xml = r#"<rspec xmlns="http://www.geni.net/resources/rspec/3" type="request"><node client_id="a"/></rspec>"#;
/// let request = Request::parse_request(xml, &Limits::default())?;
/// let ours = urn::Authority::parse("am.example.net")?;
/// let granted = GrantedNode {
///     sliver_id: "urn:publicid:IDN+am.example.net+sliver+1".parse()?,
///     component_id: "urn:publicid:IDN+am.example.net+node+host-1".into(),
///     component_manager_id: "urn:publicid:IDN+am.example.net+authority+am".into(),
///     component_name: None,
///     exclusive: false,
///     sliver_type: "default-vm".into(),
///     disk_image: None,
///     asked_image: None,
///     hardware_type: None,
///     interfaces: vec![],
///     logins: vec![],
///     users: vec![],
///     volumes: vec![],
///     host: None,
///     preserve: None,
///     unenforced: vec![],
/// };
/// let mut manifest = ManifestWriter::new(chrono::DateTime::UNIX_EPOCH, None, &[request.frame(&ours)]);
/// manifest.node(&request.nodes[0], &granted);
/// assert!(manifest.finish().contains(r#"<node client_id="a" component_manager_id="#));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ManifestWriter {
    generated: DateTime<Utc>,
    expires: Option<DateTime<Utc>>,
    context: Context,
    attributes: Vec<RootAttribute>,
    /// Where in `attributes` the one of a namespace and name stands.
    attribute_places: HashMap<(Option<String>, String), usize>,
    schema_locations: Vec<(String, String)>,
    /// The namespaces that have a schema location.
    schemas: HashSet<String>,
    foreign: Vec<FrameItem>,
    /// The foreign nodes and links by name, and the other foreign elements by what they say, of the frames so far.
    foreign_places: HashMap<(ItemKind, Option<String>), usize>,
    foreign_forms: HashSet<String>,
    body: String,
}

impl ManifestWriter {
    /// Starts a manifest. `expires` is the soonest expiry of the slivers in it. Of what several frames hold alike
    /// the manifest has one; of nodes or links of the same client_id and attributes of the same name, the last
    /// frame's.
    #[must_use]
    pub fn new(generated: DateTime<Utc>, expires: Option<DateTime<Utc>>, frames: &[Frame]) -> Self {
        let mut writer = Self {
            generated,
            expires,
            context: Context::default(),
            attributes: Vec::new(),
            attribute_places: HashMap::new(),
            schema_locations: vec![(GENI.to_owned(), format!("{GENI}/manifest.xsd"))],
            schemas: HashSet::from([GENI.to_owned()]),
            foreign: Vec::new(),
            foreign_places: HashMap::new(),
            foreign_forms: HashSet::new(),
            body: String::new(),
        };
        writer.context.declare("xsi", XSI);
        for frame in frames {
            writer.add_frame(frame, frames.len() > 1);
        }
        writer
    }

    /// Adds what a frame holds. Only where it is one of `several` can anything have come before.
    fn add_frame(&mut self, frame: &Frame, several: bool) {
        for (prefix, uri) in &frame.prefixes {
            self.context.declare(prefix, uri);
        }
        for attribute in &frame.attributes {
            let key = (attribute.namespace.clone(), attribute.name.clone());
            match self.attribute_places.get(&key).and_then(|at| self.attributes.get_mut(*at)) {
                Some(old) => *old = attribute.clone(),
                None => {
                    self.attribute_places.insert(key, self.attributes.len());
                    self.attributes.push(attribute.clone());
                }
            }
        }
        for (namespace, schema) in &frame.schema_locations {
            self.add_schema(namespace, schema);
        }
        // Only what earlier frames brought is the same: within one frame the same may well stand twice.
        let (mut places, mut forms) = (Vec::new(), Vec::new());
        for item in &frame.items {
            if item.kind == ItemKind::Extension {
                let form = several.then(|| item.canonical());
                if form.as_ref().is_none_or(|form| !self.foreign_forms.contains(form)) {
                    self.foreign.push(item.clone());
                    forms.extend(form);
                }
                continue;
            }
            let key = (item.kind, item.client_id.clone());
            match self.foreign_places.get(&key).and_then(|at| self.foreign.get_mut(*at)) {
                Some(old) => *old = item.clone(),
                None => {
                    places.push((key, self.foreign.len()));
                    self.foreign.push(item.clone());
                }
            }
        }
        self.foreign_places.extend(places);
        self.foreign_forms.extend(forms);
    }

    fn add_schema(&mut self, namespace: &str, schema: &str) {
        if self.schemas.insert(namespace.to_owned()) {
            self.schema_locations.push((namespace.to_owned(), schema.to_owned()));
        }
    }

    /// Adds a node of ours: what the request said, echoed at its place, with granted values replacing what
    /// they settle.
    pub fn node(&mut self, asked: &Node, granted: &GrantedNode) -> &mut Self {
        if !granted.users.is_empty() {
            self.add_schema(USER, &format!("{USER}/manifest.xsd"));
        }
        if !granted.volumes.is_empty() {
            self.add_schema(EMULAB, &format!("{EMULAB}/manifest.xsd"));
        }
        if granted.preserve.is_some() {
            self.add_schema(PRESERVE, &format!("{PRESERVE}/manifest.xsd"));
        }
        self.element(&asked.source, |edits, element| edit_node(edits, element, Some(granted)))
    }

    /// Adds a link of ours.
    pub fn link(&mut self, asked: &Link, granted: &GrantedLink) -> &mut Self {
        if granted.preserve.is_some() {
            self.add_schema(PRESERVE, &format!("{PRESERVE}/manifest.xsd"));
        }
        self.element(&asked.source, |edits, element| edit_link(edits, element, Some(granted)))
    }

    fn element(&mut self, source: &Source, edit: impl Fn(&mut Edits<'_>, Element<'_, '_>)) -> &mut Self {
        let text = source.standalone();
        self.body.push_str("\n  ");
        match Document::parse(&text) {
            Ok(document) => {
                let mut edits = Edits::new(&text);
                self.context.adapt(&mut edits, &document);
                edit(&mut edits, document.root_element());
                self.body.push_str(&edits.apply(document.root_element().range()));
            }
            // Never for what was read from a well-formed document.
            Err(_) => self.body.push_str(&text),
        }
        self
    }

    /// The document.
    #[must_use]
    pub fn finish(mut self) -> String {
        let mut attributes = String::new();
        push_root_attributes(&mut attributes, &mut self.context, &self.attributes);
        let mut out = String::with_capacity(self.body.len() + 1024);
        out.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<rspec");
        self.context.push_declarations(&mut out);
        push_schema_locations(&mut out, &self.schema_locations);
        push_attribute(&mut out, "type", "manifest");
        push_times(&mut out, self.generated, self.expires);
        out.push_str(&attributes);
        out.push('>');
        out.push_str(&self.body);
        for item in &self.foreign {
            out.push_str("\n  ");
            out.push_str(&self.context.place(&item.xml));
        }
        out.push_str("\n</rspec>\n");
        out
    }
}

/// When a document was made and until when it holds, in whole seconds of UTC.
pub(crate) fn push_times(out: &mut String, generated: DateTime<Utc>, expires: Option<DateTime<Utc>>) {
    push_attribute(out, "generated", &generated.to_rfc3339_opts(SecondsFormat::Secs, true));
    if let Some(expires) = expires {
        push_attribute(out, "expires", &expires.to_rfc3339_opts(SecondsFormat::Secs, true));
    }
}
