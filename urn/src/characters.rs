//! Characters that do not show what they do.

use unicode_properties::{GeneralCategory, UnicodeGeneralCategory as _};

/// Whether a character is invisible and changes what is seen around it: a control character, a line or paragraph
/// separator, or a format character (Unicode's general categories Cc, Zl, Zp and Cf). Among the last are those that
/// turn the direction of writing, such as U+202E, and spaces of no width: two names that differ in them look the same.
#[must_use]
pub fn is_hidden(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    matches!(
        c.general_category(),
        GeneralCategory::Control
            | GeneralCategory::Format
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_seen_is_not_hidden() {
        for hidden in
            "\0\n\u{7f}\u{85}\u{ad}\u{200b}\u{200d}\u{200e}\u{2028}\u{2029}\u{202e}\u{2066}\u{feff}\u{e0041}"
                .chars()
        {
            assert!(is_hidden(hidden), "{hidden:?}");
        }
        for seen in "a ~\u{a0}é中\u{301}\u{1f600}".chars() {
            assert!(!is_hidden(seen), "{seen:?}");
        }
    }
}
