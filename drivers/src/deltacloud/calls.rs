//! What all operations are made of: list, show, create, act, destroy, in any collection.

use reqwest::{Method, Url};

use super::DeltacloudDriver;
use super::http::{Told, of_reading, unreadable};
use super::wire::{Node, Tree, Unreadable};
use crate::driver::Answer;
use crate::error::DriverError;
use crate::model::Instance;
use crate::operation::{Collection, Operation, Verb};
use crate::states::InstanceAction;

/// Reads one entity.
pub(super) type Decode<T> = fn(Node<'_>) -> Option<T>;

/// Who has made a thing that is found, as far as it shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MadeBy {
    /// Another request: it has another name.
    Stranger,
    /// Another request under the same name.
    Namesake,
    /// An equal request.
    Us,
}

impl MadeBy {
    /// Judges by the name, and by whatever else the thing shows of its request.
    pub(super) fn judge(same_name: bool, same_rest: bool) -> Self {
        match (same_name, same_rest) {
            (false, _) => Self::Stranger,
            (true, false) => Self::Namesake,
            (true, true) => Self::Us,
        }
    }
}

/// A form of the parameters that there are.
pub(super) fn form<'a>(
    fields: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
) -> Vec<(&'a str, &'a str)> {
    fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

impl DeltacloudDriver {
    /// Refuses an operation that the server lacks; otherwise gives its collection's link.
    pub(super) async fn collection(&self, collection: Collection, verb: Verb) -> Answer<Url> {
        let operation = Operation::new(collection, verb);
        self.found().await?.capabilities.require(operation)?;
        let linked = if collection == Collection::Blobs { Collection::Buckets } else { collection };
        self.found().await?.links.get(&linked).cloned().ok_or(DriverError::Unsupported { operation })
    }

    /// The link to what lies below a collection.
    pub(super) async fn member(&self, collection: Collection, verb: Verb, segments: &[&str]) -> Answer<Url> {
        let mut url = self.collection(collection, verb).await?;
        let broken = || unreadable("the server has a link that is none");
        url.path_segments_mut().map_err(|()| broken())?.pop_if_empty().extend(segments);
        Ok(url)
    }

    pub(super) async fn list<T>(&self, collection: Collection, decode: Decode<T>) -> Answer<Vec<T>> {
        let url = self.collection(collection, Verb::Index).await?;
        let told = self.server.fetch(&url, Operation::new(collection, Verb::Index), "").await?;
        told.list(decode).map_err(of_reading)
    }

    pub(super) async fn show<T>(&self, collection: Collection, id: &str, decode: Decode<T>) -> Answer<T> {
        let url = self.member(collection, Verb::Show, &[id]).await?;
        let tree = self.server.get(&url, Operation::new(collection, Verb::Show), id).await?;
        decode(tree.root()).ok_or(Unreadable::Unexpected).map_err(of_reading)
    }

    /// Sends the form of a creation; `harmless` where doing it twice is as doing it once.
    pub(super) async fn post(
        &self,
        collection: Collection,
        form: &[(&str, &str)],
        id: &str,
        harmless: bool,
    ) -> Answer<Told> {
        let url = self.collection(collection, Verb::Create).await?;
        let operation = Operation::new(collection, Verb::Create);
        self.server.change(Method::POST, &url, form, operation, id, harmless).await
    }

    /// Creates something under a name, or gives back what an equal request has created under it.
    pub(super) async fn make<T: Send>(
        &self,
        collection: Collection,
        form: &[(&str, &str)],
        name: &str,
        decode: Decode<T>,
        made_by: impl Fn(&T) -> MadeBy + Send + Sync,
    ) -> Answer<T> {
        self.collection(collection, Verb::Create).await?;
        let unique = self.found().await?.capabilities.unique_names;
        let before = if unique { None } else { self.find(collection, decode, &made_by).await? };
        if let Some((before, equal)) = before {
            let why = "the name is taken by what another request has made";
            return if equal { Ok(before) } else { Err(DriverError::conflict(collection, name, why)) };
        }
        let made = match self.post(collection, form, name, unique).await {
            Ok(told) => told.entity(decode),
            Err(error) => Err(error),
        };
        match made {
            Err(error) if error.may_have_happened() => match self.find(collection, decode, &made_by).await? {
                Some((found, true)) => Ok(found),
                _ => Err(error),
            },
            other => other,
        }
    }

    /// What was made by this request or under its name, and whether by this request.
    async fn find<T>(
        &self,
        collection: Collection,
        decode: Decode<T>,
        made_by: impl Fn(&T) -> MadeBy,
    ) -> Answer<Option<(T, bool)>> {
        let all = self.list(collection, decode).await?;
        Ok(all.into_iter().find_map(|one| match made_by(&one) {
            MadeBy::Stranger => None,
            MadeBy::Namesake => Some((one, false)),
            MadeBy::Us => Some((one, true)),
        }))
    }

    /// Removes something. Of a doubtful end it is enough to see that the thing is gone.
    pub(super) async fn remove(&self, collection: Collection, segments: &[&str], verb: Verb) -> Answer<()> {
        let id = segments.join("/");
        let url = self.member(collection, verb, segments).await?;
        let operation = Operation::new(collection, verb);
        let mut doubtful = false;
        for _ in 0..2 {
            match self.server.change(Method::DELETE, &url, &[], operation, &id, false).await {
                Ok(_) => return Ok(()),
                // Gone, by the attempt whose answer was lost.
                Err(DriverError::NotFound { .. }) if doubtful => return Ok(()),
                Err(error) if error.may_have_happened() && !doubtful => doubtful = true,
                Err(error) => return Err(error),
            }
        }
        Err(DriverError::TimedOut { operation })
    }

    /// Acts on one of a collection: attaches, associates, ….
    pub(super) async fn act(
        &self,
        collection: Collection,
        verb: Verb,
        id: &str,
        form: &[(&str, &str)],
    ) -> Answer<Told> {
        let url = self.member(collection, verb, &[id, verb.as_str()]).await?;
        self.server.change(Method::POST, &url, form, Operation::new(collection, verb), id, false).await
    }

    /// Acts on an instance by the link that it shows for that; an instance that shows none is in a state that
    /// does not allow it.
    pub(super) async fn act_on_instance(
        &self,
        id: &str,
        action: InstanceAction,
        verb: Verb,
        decode: Decode<Instance>,
    ) -> Answer<Option<Instance>> {
        let operation = Operation::new(Collection::Instances, verb);
        self.found().await?.capabilities.require(operation)?;
        let shown = self.member(Collection::Instances, Verb::Show, &[id]).await?;
        let tree = self.server.get(&shown, Operation::new(Collection::Instances, Verb::Show), id).await?;
        let wrong_state = |tree: &Tree| match decode(tree.root()) {
            Some(instance) => DriverError::WrongState { id: id.to_owned(), state: instance.state, verb },
            None => of_reading(Unreadable::Unexpected),
        };
        let link = tree.root().list("actions").find(|link| link.text(&["rel"]) == Some(action.as_str()));
        let Some(link) = link else { return Err(wrong_state(&tree)) };
        let url = self.server.follow(&link.words(&["href"]))?;
        let method = if link.words(&["method"]).eq_ignore_ascii_case("delete") {
            Method::DELETE
        } else {
            Method::POST
        };
        match self.server.change(method, &url, &[], operation, id, false).await {
            Ok(told) => Ok(told.entity(decode).ok()),
            // Between the look and the act it went another way: look again for what to say. Real servers
            // answer 403 when it is gone.
            Err(DriverError::Backend { status: Some(403 | 405), .. }) => {
                let now =
                    self.server.get(&shown, Operation::new(Collection::Instances, Verb::Show), id).await?;
                Err(wrong_state(&now))
            }
            Err(error) => Err(error),
        }
    }
}
