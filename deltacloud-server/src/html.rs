//! Plain pages for people: whatever JSON says, as lists with links, and a form for each creation.

use crate::operations::{Parameter, parameters};
use crate::xml::escaped;
use drivers::{Collection, Operation, Verb};
use serde_json::Value;
use std::fmt::Write;

/// What ends a page.
pub(super) const TAIL: &str = "</body>\n</html>\n";

/// A whole page.
#[must_use]
pub(super) fn page(title: &str, content: &str) -> String {
    format!("{}{content}{TAIL}", head(title))
}

/// A page up to its content.
#[must_use]
pub(super) fn head(title: &str) -> String {
    let title = escaped(title);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{title}</title></head>\n<body>\n\
         <p><a href=\"/api\">Home</a> · <a href=\"?format=xml\">XML</a> · <a href=\"?format=json\">JSON</a></p>\n\
         <h1>{title}</h1>\n"
    )
}

/// A JSON answer as a page.
#[must_use]
pub(super) fn view(title: &str, value: &Value) -> String {
    view_below(title, "", value)
}

/// A JSON answer as a page, below something that is markup already.
#[must_use]
pub(super) fn view_below(title: &str, above: &str, value: &Value) -> String {
    let mut content = above.to_owned();
    write(&mut content, value);
    page(title, &content)
}

/// One of a list.
pub(super) fn item(out: &mut String, value: &Value) {
    out.push_str("<li>");
    write(out, value);
    out.push_str("</li>\n");
}

// Writing to a string does not fail, so the results are dropped.
fn write(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push('–'),
        Value::Bool(yes) => out.push_str(if *yes { "yes" } else { "no" }),
        Value::Number(number) => {
            let _ = write!(out, "{number}");
        }
        Value::String(text) => out.push_str(&escaped(text)),
        Value::Array(items) => {
            out.push_str("<ul>\n");
            for item in items {
                self::item(out, item);
            }
            out.push_str("</ul>\n");
        }
        Value::Object(members) => {
            // A reference is shown as the link it is.
            let text = |name: &str| members.get(name).and_then(Value::as_str);
            if let Some(href) = text("href") {
                let label =
                    text("name").filter(|t| !t.is_empty()).or_else(|| text("id")).or_else(|| text("rel"));
                let _ = write!(out, "<a href=\"{}\">{}</a>", escaped(href), escaped(label.unwrap_or(href)));
            }
            let rest: Vec<_> =
                members.iter().filter(|(name, _)| !["href", "rel", "id"].contains(&name.as_str())).collect();
            if rest.is_empty() {
                return;
            }
            out.push_str("<dl>\n");
            for (name, value) in rest {
                let _ = write!(out, "<dt>{}</dt><dd>", escaped(&name.replace('_', " ")));
                write(out, value);
                out.push_str("</dd>\n");
            }
            out.push_str("</dl>\n");
        }
    }
}

/// The form that creates something; `known` are values that are there already.
#[must_use]
pub(super) fn form(collection: Collection, action: &str, known: &crate::params::Params) -> String {
    let mut content = format!("<form method=\"post\" action=\"{}\">\n", escaped(action));
    for Parameter { name, required, .. } in parameters(Operation::new(collection, Verb::Create)) {
        let required = if required { " required" } else { "" };
        let value = escaped(known.get(name).unwrap_or_default());
        let _ = writeln!(
            content,
            "<p><label>{}: <input name=\"{name}\" value=\"{value}\"{required}></label></p>",
            name.replace('_', " ")
        );
    }
    content.push_str("<p><button type=\"submit\">Create</button></p>\n</form>\n");
    page(&format!("Create: {}", collection.as_str().replace('_', " ")), &content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_from_strangers_are_text_and_never_markup() {
        let page = view("x<y", &json!([{ "id": "1", "name": "<script>", "href": "http://h/\"onclick=\"" }]));
        assert!(!page.contains("<script>") && !page.contains("\"onclick"));
        assert!(page.contains("&lt;script&gt;") && page.contains("x&lt;y"));
    }

    #[test]
    fn a_form_shows_what_is_known() {
        let known = crate::params::Params::urlencoded(b"instance_id=inst1").unwrap();
        assert!(form(Collection::Images, "http://h/api/images", &known).contains("value=\"inst1\""));
    }
}
