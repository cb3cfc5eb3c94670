//! The formats and languages of answers.

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
    pub(crate) fn named(name: &str) -> Option<Self> {
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
    pub(crate) fn of_type(media_type: &str) -> Option<Self> {
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
