//! Answers in XML or JSON, read into one kind of tree.
//!
//! The API models some things differently in its two languages (an attribute here is a member there, a list
//! with named elements here a plain one there). In the tree, attributes, child elements and members are all
//! fields; the items of a list are fields too. The readers of the tree deal with the differences that are left: names.
//!
//! # Bounds
//! A server may be broken or hostile. Its answers are read from one event to the next, without a stack that grows with
//! the document; depth, fields and things of a list are bounded. The fields of a tree lie in one list in the order of
//! the document, each with the place of the first field after those in it. So a tree is dropped without a walk.

mod json;
mod xml;

#[cfg(test)]
mod tests;

/// Fields inside each other. The API itself has no more than ten.
const MOST_DEPTH: usize = 64;
/// Fields in one tree.
const MOST_FIELDS: usize = 1_000_000;
/// Attributes of one element.
const MOST_ATTRIBUTES: usize = 100;
/// Things in one list: some hundred thousand instances.
const MOST_THINGS: usize = 250_000;

/// Why an answer is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    /// Neither XML nor JSON, or damaged.
    #[error("the answer is neither well-formed XML nor JSON")]
    Malformed,
    /// Well-formed, and about something else.
    #[error("the answer does not describe what was asked about")]
    Unexpected,
    /// More bytes than are read.
    #[error("the answer has more than {0} bytes, the most that is read (answer_bytes)")]
    Bytes(usize),
    /// Nested deeper than is read.
    #[error("the answer nests more than {MOST_DEPTH} elements")]
    Depth,
    /// More fields than are read.
    #[error(
        "the answer has more than {MOST_FIELDS} elements and attributes, or {MOST_ATTRIBUTES} in one tag"
    )]
    Fields,
    /// A longer list than is read.
    #[error("the answer lists more than {MOST_THINGS} things")]
    Things,
}

impl Unreadable {
    /// Whether the answer is beyond a bound, which no answer of a sound server is.
    pub(super) fn is_beyond_bounds(self) -> bool {
        !matches!(self, Self::Malformed | Self::Unexpected)
    }
}

/// A document.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// All names and texts.
    words: String,
    /// All fields, each before those in it.
    fields: Vec<Field>,
    /// The field that the document is about.
    root: usize,
}

/// One field of a document.
#[derive(Debug, Clone, Copy)]
struct Field {
    /// Empty for an item of a JSON list.
    name: Span,
    /// Empty for none.
    text: Span,
    /// The number of the first field after those in this one.
    end: u32,
}

/// A part of the words.
#[derive(Debug, Clone, Copy, Default)]
struct Span {
    start: u32,
    end: u32,
}

fn is_json(media_type: &str, body: &str) -> bool {
    media_type.contains("json") || body.trim_start().starts_with(['{', '['])
}

impl Tree {
    /// Reads an answer. The root is what the document is about, without the member that JSON wraps around it.
    pub(super) fn read(media_type: &str, body: &str) -> Result<Self, Unreadable> {
        if !is_json(media_type, body) {
            return xml::tree(body);
        }
        let mut tree = json::tree(body)?;
        tree.root = tree.wrapped().unwrap_or(0);
        Ok(tree)
    }

    /// Reads the things of a list. Of a long list in XML no tree is made: its things are read one after the other.
    ///
    /// # Errors
    /// [`Unreadable`] when it is no list, or one of the things is not what it should be.
    pub(super) fn read_list<T>(
        media_type: &str,
        body: &str,
        mut decode: impl FnMut(Node<'_>) -> Option<T>,
    ) -> Result<Vec<T>, Unreadable> {
        let mut things = Vec::new();
        let mut take = |node: Node<'_>| {
            if things.len() == MOST_THINGS {
                return Err(Unreadable::Things);
            }
            things.push(decode(node).ok_or(Unreadable::Unexpected)?);
            Ok(())
        };
        if is_json(media_type, body) {
            Self::read(media_type, body)?.root().fields().try_for_each(take)?;
        } else {
            xml::things(body, &mut take)?;
        }
        Ok(things)
    }

    /// What the document is about.
    pub(super) fn root(&self) -> Node<'_> {
        self.node(self.root)
    }

    /// The only member of the document, when it has a name and no text.
    fn wrapped(&self) -> Option<usize> {
        let mut fields = self.node(0).fields();
        let only = fields.next().filter(|only| !only.name().is_empty() && only.own_text().is_none())?;
        fields.next().is_none().then_some(only.index)
    }

    fn node(&self, index: usize) -> Node<'_> {
        Node { tree: self, index }
    }

    fn words(&self, span: Span) -> &str {
        self.words.get(span.start as usize..span.end as usize).unwrap_or_default()
    }
}

/// One field of an answer, with what is in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node<'t> {
    tree: &'t Tree,
    index: usize,
}

impl<'t> Node<'t> {
    fn get(self) -> Option<&'t Field> {
        self.tree.fields.get(self.index)
    }

    /// Its name; empty for an item of a JSON list.
    pub(super) fn name(self) -> &'t str {
        self.get().map_or("", |field| self.tree.words(field.name))
    }

    /// The fields in it.
    pub(super) fn fields(self) -> impl Iterator<Item = Self> {
        let end = self.get().map_or(0, |field| field.end as usize);
        let mut index = self.index + 1;
        std::iter::from_fn(move || {
            let next = self.tree.node(index);
            let field = next.get().filter(|_| index < end)?;
            // A field ends after itself, so that this goes on in any case.
            index = (field.end as usize).max(index + 1);
            Some(next)
        })
    }

    /// The field of this name.
    pub(super) fn field(self, name: &str) -> Option<Self> {
        self.fields().find(|field| field.name() == name)
    }

    /// What is listed in the field of this name: its items, or the elements in it.
    pub(super) fn list(self, name: &str) -> impl Iterator<Item = Self> {
        self.fields().filter(move |field| field.name() == name).flat_map(Self::fields)
    }

    /// Its own text; absent when empty.
    pub(super) fn own_text(self) -> Option<&'t str> {
        let text = self.get().map_or("", |field| self.tree.words(field.text));
        Some(text.trim()).filter(|text| !text.is_empty())
    }

    /// The text of the first of these fields that has one.
    pub(super) fn text(self, names: &[&str]) -> Option<&'t str> {
        names
            .iter()
            .find_map(|name| self.fields().filter(|field| field.name() == *name).find_map(Self::own_text))
    }

    /// The same, owned; empty when there is none.
    pub(super) fn words(self, names: &[&str]) -> String {
        self.text(names).unwrap_or_default().to_owned()
    }

    /// The identity: as told, else the end of the link.
    pub(super) fn id(self) -> Option<String> {
        let of_link = || {
            let link = self.text(&["href"])?;
            let last = link.trim_end_matches('/').rsplit('/').next()?;
            Some(percent_encoding::percent_decode_str(last).decode_utf8_lossy().into_owned())
        };
        self.text(&["id"]).map(str::to_owned).or_else(of_link)
    }

    /// The identity of what the field of this name refers to.
    pub(super) fn reference(self, name: &str) -> Option<String> {
        self.field(name).and_then(Self::id)
    }
}

/// Makes a tree, one field after the other.
#[derive(Debug, Default)]
struct Builder {
    tree: Tree,
    /// The fields that have begun and not ended, by number.
    open: Vec<usize>,
}

impl Builder {
    fn depth(&self) -> usize {
        self.open.len()
    }

    /// Begins a field.
    fn begin(&mut self, name: &str) -> Result<(), Unreadable> {
        if self.open.len() == MOST_DEPTH {
            return Err(Unreadable::Depth);
        }
        if self.tree.fields.len() == MOST_FIELDS {
            return Err(Unreadable::Fields);
        }
        let name = self.word(name)?;
        self.open.push(self.tree.fields.len());
        self.tree.fields.push(Field { name, text: Span::default(), end: 0 });
        Ok(())
    }

    /// Ends the field that was begun last, which has this text.
    fn end(&mut self, text: &str) -> Result<(), Unreadable> {
        let text = self.word(text.trim())?;
        let end = u32::try_from(self.tree.fields.len()).map_err(|_| Unreadable::Fields)?;
        if let Some(field) = self.open.pop().and_then(|index| self.tree.fields.get_mut(index)) {
            field.text = text;
            field.end = end;
        }
        Ok(())
    }

    /// A field with nothing but text in it.
    fn leaf(&mut self, name: &str, text: &str) -> Result<(), Unreadable> {
        self.begin(name)?;
        self.end(text)
    }

    fn word(&mut self, word: &str) -> Result<Span, Unreadable> {
        let place = |at: usize| u32::try_from(at).map_err(|_| Unreadable::Fields);
        let start = place(self.tree.words.len())?;
        self.tree.words.push_str(word);
        Ok(Span { start, end: place(self.tree.words.len())? })
    }

    /// Forgets all fields but the first.
    fn keep_first(&mut self) {
        let end = self.tree.fields.first().map_or(0, |first| first.name.end as usize);
        self.tree.fields.truncate(1);
        self.tree.words.truncate(end);
    }
}
