//! Pieces of XML that any reader of XML may meet.

use crate::parts;

/// `n` elements inside each other.
pub(crate) fn nested(n: usize) -> String {
    "<a>".repeat(n) + &"</a>".repeat(n)
}

/// `n` elements, each with a comment, a processing instruction, a CDATA section and references.
pub(crate) fn mixed(n: usize) -> String {
    parts(n, |i| format!("<e n=\"{i}\">a&amp;b<!-- c --><?p d?><![CDATA[<e>]]>&#233;</e>\n"))
}

/// An element with `n` namespaces, and as many elements with an attribute below it.
pub(crate) fn namespaces(n: usize) -> String {
    let declared = parts(n, |i| format!(" xmlns:n{i}=\"http://x.example/{i}\""));
    format!("<e{declared}>{}</e>", parts(n, |i| format!("<n{i}:e n{i}:a=\"{i}\"/>")))
}

/// `n` elements that declare a namespace each.
pub(crate) fn declarations(n: usize) -> String {
    parts(n, |i| format!("<n:e xmlns:n=\"http://x.example/{i}\" n:a=\"1\"/>"))
}

/// An element with `n` attributes.
pub(crate) fn attributes(n: usize) -> String {
    format!("<e{}/>", parts(n, |i| format!(" a{i}=\"v\"")))
}

/// `n` bytes of text, with a line end and a reference here and there.
pub(crate) fn long_text(n: usize) -> String {
    "sixty-four bytes of text with a\r\nline end in it and &lt; beside..".repeat(n / 64 + 1)
}
