//! Elements that a grant adds.

use crate::granted::{Guarantee, Login, User};
use crate::xml::{GENI, PRESERVE, UNENFORCED, USER, push_attribute, push_text};
use roxmltree::Node as Element;

/// What an element of ours without prefix needs to declare among the children of `parent`.
pub(super) fn declaration(parent: Element<'_, '_>) -> &'static str {
    if parent.default_namespace() == Some(GENI) {
        ""
    } else {
        " xmlns=\"http://www.geni.net/resources/rspec/3\""
    }
}

/// Writes new children of a node or link, each on its own line.
pub(super) struct Added<'a> {
    pub(super) out: &'a mut String,
    declaration: &'static str,
}

type Attributes<'a> = [(&'a str, Option<&'a str>)];

impl<'a> Added<'a> {
    pub(super) fn new(out: &'a mut String, parent: Element<'_, '_>) -> Self {
        Self { out, declaration: declaration(parent) }
    }

    pub(super) fn open(&mut self, name: &str, attributes: &Attributes<'_>) {
        self.out.push_str("\n    ");
        self.open_unspaced(name, attributes);
    }

    fn open_unspaced(&mut self, name: &str, attributes: &Attributes<'_>) {
        self.out.push('<');
        self.out.push_str(name);
        self.out.push_str(self.declaration);
        push_attributes(self.out, attributes);
    }

    pub(super) fn inside(&mut self) {
        self.out.push('>');
    }

    pub(super) fn close(&mut self, name: &str) {
        self.out.push_str("</");
        self.out.push_str(name);
        self.out.push('>');
    }

    pub(super) fn close_empty(&mut self) {
        self.out.push_str("/>");
    }

    pub(super) fn empty(&mut self, name: &str, attributes: &Attributes<'_>) {
        self.open(name, attributes);
        self.close_empty();
    }

    pub(super) fn empty_unspaced(&mut self, name: &str, attributes: &Attributes<'_>) {
        self.open_unspaced(name, attributes);
        self.close_empty();
    }
}

fn push_attributes(out: &mut String, attributes: &Attributes<'_>) {
    for (name, value) in attributes {
        if let Some(value) = value {
            push_attribute(out, name, value);
        }
    }
}

pub(super) fn push_empty(out: &mut String, name: &str, attributes: &Attributes<'_>) {
    out.push('<');
    out.push_str(name);
    push_attributes(out, attributes);
    out.push_str("/>");
}

pub(super) fn push_services(
    out: &mut String,
    declaration: &str,
    indent: &str,
    logins: &[Login],
    users: &[User],
) {
    for login in logins {
        out.push_str(indent);
        out.push_str("<login");
        out.push_str(declaration);
        push_attributes(
            out,
            &[
                ("authentication", Some(&login.authentication)),
                ("hostname", Some(&login.hostname)),
                ("port", Some(&login.port.to_string())),
                ("username", Some(&login.username)),
            ],
        );
        out.push_str("/>");
    }
    for user in users {
        out.push_str(indent);
        out.push_str("<services_user");
        push_attributes(
            out,
            &[("xmlns", Some(USER)), ("login", Some(&user.login)), ("user_urn", user.urn.as_deref())],
        );
        out.push('>');
        for key in &user.public_keys {
            out.push_str("<public_key>");
            push_text(out, key);
            out.push_str("</public_key>");
        }
        out.push_str("</services_user>");
    }
}

pub(super) fn push_preserve(out: &mut String, guarantee: Option<Guarantee>) {
    if let Some(guarantee) = guarantee {
        out.push_str("\n    ");
        push_empty(out, "preserve", &[("xmlns", Some(PRESERVE)), ("guarantee", Some(guarantee.as_str()))]);
    }
}

pub(super) fn push_unenforced(out: &mut String, demands: &[String]) {
    if !demands.is_empty() {
        out.push_str("\n    ");
        let demands = demands.join(" ");
        push_empty(out, "unenforced", &[("xmlns", Some(UNENFORCED)), ("demands", Some(&demands))]);
    }
}
