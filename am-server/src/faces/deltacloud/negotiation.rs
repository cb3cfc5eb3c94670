//! In which format an answer is given.
//!
//! A client says it with `Accept`, weighed by `q`; without one it gets XML. `?format=` chooses among those
//! the API knows, but only for a client whose `Accept` names some known type: so does Apache Deltacloud
//! 1.1.3, and a page in a browser links to `?format=xml` in this way.

use super::errors::Refusal;

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// XML, the API's first language.
    Xml,
    /// JSON, which has a model of its own.
    Json,
    /// A plain page for people.
    Html,
    /// A drawing in the language of Graphviz; of instance states only.
    Gv,
    /// A drawing as SVG; of instance states only.
    Svg,
    /// A drawing as PNG; of instance states only.
    Png,
}

impl Format {
    /// The media type it is sent as.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Xml | Self::Json | Self::Html => self.language().media_type(),
            Self::Gv => "application/ghostscript",
            Self::Svg => "image/svg+xml",
            Self::Png => "image/png",
        }
    }

    /// The language of what is no drawing.
    #[must_use]
    pub fn language(self) -> Language {
        match self {
            Self::Json => Language::Json,
            Self::Html => Language::Html,
            // Drawings are offered of instance states alone; what else such a request meets is told in XML.
            Self::Xml | Self::Gv | Self::Svg | Self::Png => Language::Xml,
        }
    }

    /// The format of `?format=`.
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "xml" => Self::Xml,
            "json" => Self::Json,
            "html" => Self::Html,
            "gv" => Self::Gv,
            "svg" => Self::Svg,
            "png" => Self::Png,
            _ => return None,
        })
    }

    /// The format a media type of `Accept` asks for. Anything goes means a browser, which wants a page.
    fn of_type(media_type: &str) -> Option<Self> {
        Some(match media_type {
            "application/xml" | "text/xml" => Self::Xml,
            "application/json" => Self::Json,
            "text/html" | "application/xhtml+xml" | "*/*" | "text/*" => Self::Html,
            // Not what this type means, but what the API calls it.
            "application/ghostscript" | "text/vnd.graphviz" => Self::Gv,
            "image/svg+xml" => Self::Svg,
            "image/png" | "image/*" => Self::Png,
            "application/*" => Self::Xml,
            _ => return None,
        })
    }
}

/// What a document is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// XML.
    Xml,
    /// JSON.
    Json,
    /// A plain page for people.
    Html,
}

impl Language {
    /// The media type it is sent as.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Xml => "application/xml",
            Self::Json => "application/json",
            Self::Html => "text/html; charset=utf-8",
        }
    }
}

/// What most resources can be shown as.
pub const USUAL: &[Format] = &[Format::Xml, Format::Json, Format::Html];
/// What instance states can be shown as.
pub const STATES: &[Format] =
    &[Format::Xml, Format::Json, Format::Html, Format::Gv, Format::Svg, Format::Png];

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
        for (name, format) in [("gv", Format::Gv), ("svg", Format::Svg), ("png", Format::Png)] {
            assert_eq!(chosen(None, Some(name)), None);
            assert_eq!(choose(None, Some(name), STATES).ok(), Some(format));
        }
        assert_eq!(choose(Some("image/png"), None, STATES).ok(), Some(Format::Png));
        assert_eq!(chosen(Some("image/png"), None), None);
    }
}
