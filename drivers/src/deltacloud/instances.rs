//! Instances and images: creations that happen once, actions by the links that instances show.

use base64::Engine;

use super::calls::{MadeBy, form};
use super::http::of_reading;
use super::wire::Node;
use super::{DeltacloudDriver, decode, token};
use crate::driver::{Answer, ComputeDriver};
use crate::error::DriverError;
use crate::model::{CreateImage, CreateInstance, Image, Instance};
use crate::operation::{Collection, Operation, Verb};
use crate::states::InstanceAction;

impl DeltacloudDriver {
    /// The form of an instance's creation, under the name that the server shall know it by.
    fn creation(&self, request: &CreateInstance, name: &str) -> Vec<(String, String)> {
        let mut fields =
            vec![("image_id".to_owned(), request.image_id.clone()), ("name".to_owned(), name.to_owned())];
        let mut add = |name: String, value: Option<&str>| fields.extend(value.map(|v| (name, v.to_owned())));
        add("realm_id".into(), request.realm_id.as_deref());
        add("hwp_id".into(), request.hardware_profile_id.as_deref());
        for (property, value) in &request.values {
            add(format!("hwp_{property}"), Some(value));
        }
        add("keyname".into(), request.keyname.as_deref());
        // In base64 no text can be mistaken for the base64 of another.
        let data = request.user_data.as_ref().map(|d| base64::engine::general_purpose::STANDARD.encode(d));
        add("user_data".into(), data.as_deref());
        for (number, firewall) in request.firewalls.iter().enumerate() {
            add(format!("firewalls{}", number + 1), Some(firewall));
        }
        fields
    }

    /// The instance that the server has under this name, as it shows it.
    pub(super) async fn instance_on_wire(&self, name: &str) -> Answer<Option<Instance>> {
        let mut url = self.collection(Collection::Instances, Verb::Index).await?;
        // A server that knows this filter saves both sides a listing; any other lists all.
        url.query_pairs_mut().append_pair("name", name);
        let told = self.server.fetch(&url, Operation::new(Collection::Instances, Verb::Index), "").await?;
        let mut found = None;
        let take = |node: Node<'_>| {
            if found.is_none() && node.text(&["name"]) == Some(name) {
                found = Some(decode::instance(node)?);
            }
            Some(())
        };
        told.list(take).map_err(of_reading)?;
        Ok(found)
    }

    /// Says where there is no room and for how many there is.
    async fn with_limit(&self, error: DriverError, realm: Option<&str>) -> DriverError {
        let DriverError::Capacity { collection, .. } = error else { return error };
        let found = match realm {
            Some(id) => self.realm(id).await.ok(),
            None => None,
        };
        let limit = found.and_then(|realm| realm.limit).unwrap_or_default();
        DriverError::Capacity { collection, realm: realm.map(str::to_owned), limit: u64::from(limit) }
    }

    /// Acts on an instance by its link; a server that does not show it in its answer is asked for it.
    pub(super) async fn go(&self, id: &str, action: InstanceAction, verb: Verb) -> Answer<Instance> {
        match self.act_on_instance(id, action, verb, decode::instance).await? {
            Some(instance) => Ok(instance),
            None => self.instance(id).await,
        }
    }

    /// Makes an image; one without a name cannot be looked for when no answer comes.
    pub(super) async fn make_image(&self, request: &CreateImage) -> Answer<Image> {
        let fields = form([
            ("instance_id", Some(request.instance_id.as_str())),
            ("name", request.name.as_deref()),
            ("description", request.description.as_deref()),
        ]);
        match &request.name {
            Some(name) => {
                let made_by = |image: &Image| MadeBy::judge(image.name == *name, true);
                self.make(Collection::Images, &fields, name, decode::image, made_by).await
            }
            None => {
                let told = self.post(Collection::Images, &fields, "", false).await?;
                told.entity(decode::image)
            }
        }
    }

    /// Creates an instance, or finds what an equal request has created: see the module of names.
    pub(super) async fn make_instance(&self, request: &CreateInstance) -> Answer<Instance> {
        self.collection(Collection::Instances, Verb::Create).await?;
        let unique = self.found().await?.capabilities.unique_names;
        let name = if unique { request.name.clone() } else { token::wire_name(request) };
        if !unique {
            if let Some(before) = self.instance_on_wire(&name).await? {
                return Ok(before);
            }
            if self.instance_named(&request.name).await?.is_some() {
                let why = "the name is taken by an instance of another request";
                return Err(DriverError::conflict(Collection::Instances, &request.name, why));
            }
        }
        let fields = self.creation(request, &name);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let made = match self.post(Collection::Instances, &fields, &request.name, unique).await {
            Ok(told) => told.entity(decode::instance),
            Err(error) => Err(self.with_limit(error, request.realm_id.as_deref()).await),
        };
        match made {
            Err(error) if error.may_have_happened() && !unique => {
                self.instance_on_wire(&name).await?.ok_or(error)
            }
            other => other,
        }
    }

    /// Ends an instance. Of a doubtful end it is enough to see that it is gone.
    pub(super) async fn end_instance(&self, id: &str) -> Answer<()> {
        match self.act_on_instance(id, InstanceAction::Destroy, Verb::Destroy, decode::instance).await {
            Ok(_) => Ok(()),
            Err(error) if error.may_have_happened() => match self.instance(id).await {
                Err(DriverError::NotFound { .. }) => Ok(()),
                _ => Err(error),
            },
            Err(error) => Err(error),
        }
    }
}
