//! Lists, which may be long: written one thing after the other, so that beside the text itself only one of its things is
//! ever there as a tree.

use crate::format::Language;
use crate::html;
use crate::reply::Page;
use crate::views::{Scene, View};
use crate::xml::{self, Element};
use bytes::Bytes;

/// Bytes from which on a piece of the text is complete. A text that grows in one piece is copied again and again, and
/// needs twice its size while it is.
const PIECE: usize = 64 * 1024;

/// A text in pieces.
#[derive(Default)]
struct Pieces {
    complete: Vec<Bytes>,
    open: String,
}

impl Pieces {
    /// Completes the piece that is being written if it is large enough; tells whether it was.
    fn settle(&mut self) -> bool {
        let large = self.open.len() >= PIECE;
        if large {
            self.complete.push(std::mem::take(&mut self.open).into());
            // The next one will be as long, and a little more.
            self.open.reserve(PIECE + PIECE / 8);
        }
        large
    }

    fn end(mut self) -> Vec<Bytes> {
        self.complete.push(self.open.into());
        self.complete
    }
}

/// A list in a language. Others get their turn between the pieces.
pub(super) async fn write<T: View + Send>(all: Vec<T>, language: Language, scene: &Scene) -> Page {
    let mut text = Pieces::default();
    let (between, end) = begin::<T>(&mut text.open, language, all.is_empty());
    let mut first = true;
    for one in all {
        if !std::mem::take(&mut first) {
            text.open.push_str(between);
        }
        match language {
            Language::Xml => one.xml(scene).write(&mut text.open, 1),
            Language::Json => text.open.push_str(&one.json(scene).to_string()),
            Language::Html => html::item(&mut text.open, &one.json(scene)),
        }
        if text.settle() {
            tokio::task::yield_now().await;
        }
    }
    text.open.push_str(&end);
    Page::Pieces(language.media_type(), text.end())
}

/// Writes what comes before the things; gives what comes between them and at the end.
fn begin<T: View>(out: &mut String, language: Language, empty: bool) -> (&'static str, String) {
    match language {
        Language::Xml if empty => {
            out.push_str(&Element::new(T::MANY).document());
            ("", String::new())
        }
        Language::Xml => {
            out.push_str(xml::DECLARATION);
            out.push_str(&format!("<{}>\n", T::MANY));
            ("", format!("</{}>\n", T::MANY))
        }
        Language::Json => {
            out.push_str(&format!("{{\"{}\":[", T::MANY));
            (",", "]}".to_owned())
        }
        Language::Html => {
            out.push_str(&html::head(&T::MANY.replace('_', " ")));
            out.push_str("<ul>\n");
            ("", format!("</ul>\n{}", html::TAIL))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::Links;
    use drivers::{Realm, RealmState};
    use serde_json::{Value, json};

    fn scene() -> Scene {
        Scene { links: Links::new("http", "h"), ..Scene::default() }
    }

    fn realms(count: usize) -> Vec<Realm> {
        let realm = |n| Realm {
            id: format!("r{n}"),
            name: "a < b".into(),
            state: RealmState::Available,
            limit: None,
            exclusive: false,
            hardware_type: None,
            location: None,
            hardware_profiles: Vec::new(),
        };
        (0..count).map(realm).collect()
    }

    async fn written(count: usize, language: Language) -> (Vec<Bytes>, String) {
        let Page::Pieces(_, pieces) = write(realms(count), language, &scene()).await else {
            panic!("a list comes in pieces");
        };
        let whole = String::from_utf8(pieces.concat()).unwrap();
        (pieces, whole)
    }

    #[tokio::test]
    async fn a_list_of_any_length_is_what_the_tree_of_it_would_be() {
        for count in [0, 1, 3000] {
            let all = realms(count);
            let tree = Element::new("realms").with_all(all.iter().map(|realm| realm.xml(&scene())));
            assert_eq!(written(count, Language::Xml).await.1, tree.document());
            let tree = json!({ "realms": all.iter().map(|realm| realm.json(&scene())).collect::<Vec<_>>() });
            let found: Value = serde_json::from_str(&written(count, Language::Json).await.1).unwrap();
            assert_eq!(found, tree);
            let page = html::view("realms", &tree["realms"]);
            assert_eq!(written(count, Language::Html).await.1, page);
        }
    }

    #[tokio::test]
    async fn no_piece_of_a_long_list_is_long() {
        for language in [Language::Xml, Language::Json, Language::Html] {
            let (pieces, _) = written(3000, language).await;
            assert!(pieces.len() > 3);
            assert!(pieces.iter().all(|piece| piece.len() < 2 * PIECE));
        }
    }
}
