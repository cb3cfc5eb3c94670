//! In which format an answer is given.
//!
//! A client says it with `Accept`, weighed by `q`; without one it gets XML. `?format=` chooses among those
//! the API knows, but only for a client whose `Accept` names some known type: so does Apache Deltacloud
//! 1.1.3, and a page in a browser links to `?format=xml` in this way.

use crate::errors::Refusal;
use crate::format::Format;

/// What most resources can be shown as.
pub const USUAL: &[Format] = &[Format::Xml, Format::Json, Format::Html];
/// What instance states can be shown as.
pub const STATES: &[Format] = if cfg!(feature = "drawings") {
    &[Format::Xml, Format::Json, Format::Html, Format::Gv, Format::Svg, Format::Png]
} else {
    &[Format::Xml, Format::Json, Format::Html, Format::Gv]
};

/// The format of the answer, from the header and the parameter.
///
/// # Errors
/// [`Refusal::NotAcceptable`] when nothing that is asked for is among those offered.
pub fn choose(accept: Option<&str>, format: Option<&str>, offered: &[Format]) -> Result<Format, Refusal> {
    // An empty header asks for nothing in particular, as none does.
    let wanted = accept.filter(|header| !header.trim().is_empty()).map(preferences);
    if wanted.as_ref().is_some_and(Vec::is_empty) {
        return Err(Refusal::NotAcceptable);
    }
    let chosen = match (format, wanted) {
        (Some(name), _) => Format::named(name).filter(|f| offered.contains(f)),
        (None, None) => Some(Format::Xml),
        (None, Some(wanted)) => wanted.into_iter().find(|f| offered.contains(f)),
    };
    chosen.ok_or(Refusal::NotAcceptable)
}

/// The known formats of an `Accept` header, best first.
fn preferences(accept: &str) -> Vec<Format> {
    let mut found: Vec<(f32, Format)> = accept
        .split(',')
        .filter_map(|item| {
            let mut parts = item.split(';').map(str::trim);
            let format = Format::of_type(&parts.next()?.to_ascii_lowercase())?;
            let quality = parts.find_map(|p| p.strip_prefix("q=")).map_or(1.0, |q| q.parse().unwrap_or(0.0));
            (quality > 0.0).then_some((quality, format))
        })
        .collect();
    // Stable: of equal weights the first named is meant.
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    found.into_iter().map(|(_, format)| format).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(accept: Option<&str>, format: Option<&str>) -> Option<Format> {
        choose(accept, format, USUAL).ok()
    }

    #[test]
    fn accept_is_weighed() {
        for empty in [None, Some(""), Some(" ")] {
            assert_eq!(chosen(empty, None), Some(Format::Xml));
            assert_eq!(chosen(empty, Some("json")), Some(Format::Json));
        }
        assert_eq!(chosen(Some("*/*"), None), Some(Format::Html));
        assert_eq!(chosen(Some("text/html,application/xml;q=0.9,*/*;q=0.8"), None), Some(Format::Html));
        assert_eq!(chosen(Some("application/xml;q=0.2, application/json;q=0.8"), None), Some(Format::Json));
        assert_eq!(chosen(Some("bogus/type, application/json;q=0.1"), None), Some(Format::Json));
        assert_eq!(chosen(Some("image/png, text/xml;q=0.1"), None), Some(Format::Xml));
        assert_eq!(chosen(Some("application/json;q=0"), None), None);
    }

    #[test]
    fn the_parameter_wins_where_accept_is_understood() {
        assert_eq!(chosen(Some("application/json"), Some("xml")), Some(Format::Xml));
        assert_eq!(chosen(None, Some("json")), Some(Format::Json));
        assert_eq!(chosen(Some("application/xml"), Some("bogus")), None);
        assert_eq!(chosen(Some("bogus/type"), Some("xml")), None);
    }

    #[test]
    fn only_states_are_drawn() {
        let painted = |format| cfg!(feature = "drawings").then_some(format);
        for (name, format) in
            [("gv", Some(Format::Gv)), ("svg", painted(Format::Svg)), ("png", painted(Format::Png))]
        {
            assert_eq!(chosen(None, Some(name)), None);
            assert_eq!(choose(None, Some(name), STATES).ok(), format);
        }
        assert_eq!(choose(Some("image/png"), None, STATES).ok(), painted(Format::Png));
        assert_eq!(chosen(Some("image/png"), None), None);
    }
}
