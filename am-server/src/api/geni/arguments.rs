//! A call's arguments, from XML-RPC values to types.
//!
//! Strict about what is needed, lenient about how it is written (AM API v3, common concepts): members and
//! options nobody asked for are ignored, a boolean may come as 0 and 1, a number as a string, a credential
//! as a plain string or as base64. Every error says which argument, what it should be and what it was.

use crate::aggregate::SliverRequest;
use crate::aggregate::caller::CredentialText;
use crate::error::CallError;
use crate::grant::users::User;
use crate::time;
use chrono::{DateTime, Utc};
use dxr::Value;
use std::collections::BTreeMap;

/// The longest list of URNs taken in one call.
const MAX_URNS: usize = 50_000;
/// The most credentials looked at in one call.
const MAX_CREDENTIALS: usize = 32;

/// The positional arguments of one call, taken off one by one.
pub(super) struct Arguments {
    method: &'static str,
    wanted: &'static [&'static str],
    given: usize,
    values: std::vec::IntoIter<Value>,
}

impl Arguments {
    /// The arguments of `method`, which wants exactly those named in `wanted`.
    ///
    /// # Errors
    /// Too many arguments.
    pub(super) fn new(
        method: &'static str,
        wanted: &'static [&'static str],
        values: Vec<Value>,
    ) -> Result<Self, CallError> {
        let given = values.len();
        if given > wanted.len() {
            return Err(CallError::bad_arguments(format!(
                "{method} takes {} arguments ({}), not {given}",
                wanted.len(),
                wanted.join(", ")
            )));
        }
        Ok(Self { method, wanted, given, values: values.into_iter() })
    }

    fn next(&mut self) -> Result<(&'static str, Value), CallError> {
        let name = self.wanted.get(self.taken()).copied().unwrap_or("argument");
        match self.values.next() {
            Some(value) => Ok((name, value)),
            None => Err(CallError::bad_arguments(format!(
                "{} needs the argument {name}; it takes {} ({})",
                self.method,
                self.wanted.len(),
                self.wanted.join(", ")
            ))),
        }
    }

    fn taken(&self) -> usize {
        self.given - self.values.len()
    }

    /// The next argument, a string.
    ///
    /// # Errors
    /// It is missing or not a string.
    pub(super) fn string(&mut self) -> Result<String, CallError> {
        let (name, value) = self.next()?;
        text(value).map_err(|kind| wrong_type(name, "a string", kind))
    }

    /// The next argument, a date and time: a string, or a dateTime.iso8601 of UTC.
    ///
    /// # Errors
    /// It is missing or no date.
    pub(super) fn time(&mut self) -> Result<DateTime<Utc>, CallError> {
        let (name, value) = self.next()?;
        moment(name, value)
    }

    /// The next argument, a list of URNs: at least one.
    ///
    /// # Errors
    /// It is missing, not a list of strings, empty or too long.
    pub(super) fn urns(&mut self) -> Result<Vec<String>, CallError> {
        let (name, value) = self.next()?;
        let Value::Array(values) = value else {
            return Err(wrong_type(name, "a list of URNs", kind(&value)));
        };
        if values.is_empty() {
            return Err(CallError::bad_arguments(format!(
                "{name} is empty; give one slice URN, or the URNs of slivers of one slice"
            )));
        }
        if values.len() > MAX_URNS {
            return Err(CallError::bad_arguments(format!(
                "{name} holds {} URNs; {MAX_URNS} at most",
                values.len()
            )));
        }
        values
            .into_iter()
            .map(|value| text(value).map_err(|kind| wrong_type(name, "a list of strings", kind)))
            .collect()
    }

    /// The next argument, a list of credentials: structs of `geni_type`, `geni_version` and `geni_value`.
    /// A plain string is taken as a geni_sfa credential.
    ///
    /// # Errors
    /// It is missing, not a list, empty, or an element is neither a struct with those members nor a string.
    pub(super) fn credentials(&mut self) -> Result<Vec<CredentialText>, CallError> {
        let (name, value) = self.next()?;
        let Value::Array(values) = value else {
            return Err(wrong_type(name, "a list of credentials", kind(&value)));
        };
        if values.is_empty() {
            return Err(CallError::bad_arguments(format!(
                "{name} is empty; give at least one credential, a struct of geni_type, geni_version and geni_value"
            )));
        }
        if values.len() > MAX_CREDENTIALS {
            return Err(CallError::bad_arguments(format!(
                "{name} holds {} credentials; {MAX_CREDENTIALS} at most",
                values.len()
            )));
        }
        values.into_iter().map(credential).collect()
    }

    /// The next two arguments, which most calls begin with: the URNs and the credentials for them.
    ///
    /// # Errors
    /// As [`Self::urns`] and [`Self::credentials`].
    pub(super) fn target(&mut self) -> Result<SliverRequest, CallError> {
        Ok(SliverRequest { urns: self.urns()?, credentials: self.credentials()? })
    }

    /// The next argument, the options.
    ///
    /// # Errors
    /// It is missing or not a struct. A caller that wants to speak for somebody else is refused: falling back
    /// to the caller's own rights would do something else than was asked for.
    pub(super) fn options(&mut self) -> Result<Options, CallError> {
        let (name, value) = self.next()?;
        match value {
            Value::Struct(members) if members.contains_key("geni_speaking_for") => Err(CallError::forbidden(
                "option geni_speaking_for: this aggregate does not accept speaks-for credentials; call as yourself",
            )),
            Value::Struct(members) => Ok(Options(members)),
            // What languages write for an empty struct that do not tell it from an empty list.
            Value::Array(values) if values.is_empty() => Ok(Options::none()),
            other => Err(wrong_type(name, "a struct", kind(&other))),
        }
    }
}

/// The `options` struct; what a call does not ask for is never looked at.
pub(super) struct Options(BTreeMap<String, Value>);

impl Options {
    /// No options at all.
    #[must_use]
    pub(super) fn none() -> Self {
        Self(BTreeMap::new())
    }

    /// A boolean option; absent is false.
    ///
    /// # Errors
    /// It is there, but not a boolean.
    pub(super) fn flag(&self, name: &str) -> Result<bool, CallError> {
        match self.0.get(name) {
            None | Some(Value::Nil) => Ok(false),
            Some(Value::Boolean(flag)) => Ok(*flag),
            Some(Value::Integer(0)) => Ok(false),
            Some(Value::Integer(1)) => Ok(true),
            Some(Value::String(text)) if text.eq_ignore_ascii_case("true") || text == "1" => Ok(true),
            Some(Value::String(text)) if text.eq_ignore_ascii_case("false") || text == "0" => Ok(false),
            Some(other) => Err(wrong_type(&format!("option {name}"), "a boolean", kind(other))),
        }
    }

    /// A date option: a string, or a dateTime.iso8601 of UTC; absent and empty are None.
    ///
    /// # Errors
    /// It is there, but not a date.
    pub(super) fn time(&self, name: &str) -> Result<Option<DateTime<Utc>>, CallError> {
        match self.0.get(name) {
            None | Some(Value::Nil) => Ok(None),
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(value) => moment(&format!("option {name}"), value.clone()).map(Some),
        }
    }

    /// `geni_rspec_version`, which must be there and name GENI 3.
    ///
    /// # Errors
    /// geni_code 1 when it or a member is missing, 4 when it is another version.
    pub(super) fn rspec_version(&self) -> Result<(), CallError> {
        let option = "geni_rspec_version";
        let members = match self.0.get(option) {
            Some(Value::Struct(members)) => members,
            Some(other) => {
                return Err(wrong_type(
                    &format!("option {option}"),
                    "a struct of type and version",
                    kind(other),
                ));
            }
            None => {
                return Err(CallError::bad_arguments(format!(
                    "option {option} is required: a struct of type \"GENI\" and version \"3\""
                )));
            }
        };
        let member = |name: &str| match members.get(name) {
            Some(Value::String(text)) => Ok(text.trim().to_owned()),
            Some(Value::Integer(number)) => Ok(number.to_string()),
            Some(other) => Err(wrong_type(&format!("{option}.{name}"), "a string", kind(other))),
            None => Err(CallError::bad_arguments(format!("option {option} has no member {name}"))),
        };
        let (rspec_type, version) = (member("type")?, member("version")?);
        if rspec_type.eq_ignore_ascii_case("GENI") && version == "3" {
            Ok(())
        } else {
            Err(CallError::bad_version(format!(
                "RSpec type {rspec_type:?} version {version:?} is not spoken here; GENI 3 is"
            )))
        }
    }

    /// `geni_users`: who may log in; None when absent.
    ///
    /// # Errors
    /// It is there, but not a list of structs with a `urn` and a list `keys`.
    pub(super) fn users(&self) -> Result<Option<Vec<User>>, CallError> {
        let option = "geni_users";
        let values = match self.0.get(option) {
            None | Some(Value::Nil) => return Ok(None),
            Some(Value::Array(values)) => values,
            Some(Value::Struct(members)) if members.is_empty() => return Ok(Some(Vec::new())),
            Some(other) => {
                return Err(wrong_type(&format!("option {option}"), "a list of structs", kind(other)));
            }
        };
        values
            .iter()
            .enumerate()
            .map(|(index, value)| {
                let here = format!("{option}[{index}]");
                let Value::Struct(members) = value else {
                    return Err(wrong_type(&here, "a struct of urn and keys", kind(value)));
                };
                let urn = match members.get("urn") {
                    Some(value) => text(value.clone())
                        .map_err(|kind| wrong_type(&format!("{here}.urn"), "a string", kind))?,
                    None => return Err(CallError::bad_arguments(format!("{here} has no member urn"))),
                };
                let keys = match members.get("keys") {
                    Some(Value::Array(keys)) => keys
                        .iter()
                        .map(|key| {
                            text(key.clone()).map_err(|kind| {
                                wrong_type(&format!("{here}.keys"), "a list of strings", kind)
                            })
                        })
                        .collect::<Result<Vec<_>, _>>()?,
                    Some(Value::Struct(members)) if members.is_empty() => Vec::new(),
                    Some(other) => {
                        return Err(wrong_type(&format!("{here}.keys"), "a list of strings", kind(other)));
                    }
                    None => return Err(CallError::bad_arguments(format!("{here} has no member keys"))),
                };
                User::new(&urn, keys).map_err(|error| CallError::bad_arguments(format!("{here}: {error}")))
            })
            .collect::<Result<Vec<_>, _>>()
            .map(Some)
    }

    /// Whether an option is there at all.
    #[must_use]
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}

fn credential(value: Value) -> Result<CredentialText, CallError> {
    match value {
        Value::Struct(mut members) => {
            let mut member = |name: &str| match members.remove(name) {
                Some(value) => {
                    text(value).map_err(|kind| wrong_type(&format!("credentials: {name}"), "a string", kind))
                }
                None => Err(CallError::bad_arguments(format!(
                    "a credential has no member {name}; it must be a struct of geni_type, geni_version and geni_value"
                ))),
            };
            let (kind, xml) = (member("geni_type")?, member("geni_value")?);
            Ok(CredentialText { kind, xml })
        }
        Value::String(xml) => Ok(CredentialText { kind: "geni_sfa".to_owned(), xml }),
        other => Err(wrong_type("credentials", "a list of structs", kind(&other))),
    }
}

/// A date and time, from a string or from a dateTime.iso8601, which has no zone and is taken as UTC.
fn moment(what: &str, value: Value) -> Result<DateTime<Utc>, CallError> {
    let text = match value {
        Value::DateTime(date) => format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
            date.year(),
            date.month(),
            date.day(),
            date.hour(),
            date.minute(),
            date.second()
        ),
        other => text(other).map_err(|kind| wrong_type(what, "a string", kind))?,
    };
    time::parse(&text).map_err(|error| CallError::bad_arguments(format!("{what}: {error}")))
}

/// A string, also from base64 (which some clients send for text they read from a file).
fn text(value: Value) -> Result<String, &'static str> {
    match value {
        Value::String(text) => Ok(text),
        Value::Base64(bytes) => String::from_utf8(bytes).map_err(|_| "base64 of something that is not UTF-8"),
        other => Err(kind(&other)),
    }
}

fn wrong_type(what: &str, wanted: &str, found: &str) -> CallError {
    CallError::bad_arguments(format!("{what} must be {wanted}, not {found}"))
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Integer(_) | Value::Long(_) => "an integer",
        Value::Boolean(_) => "a boolean",
        Value::String(_) => "a string",
        Value::Double(_) => "a double",
        Value::DateTime(_) => "a dateTime.iso8601",
        Value::Base64(_) => "base64",
        Value::Struct(_) => "a struct",
        Value::Array(_) => "an array",
        _ => "nil",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(members: &[(&str, Value)]) -> Options {
        Options(members.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
    }

    fn string(text: &str) -> Value {
        Value::String(text.to_owned())
    }

    #[test]
    fn flags_are_read_in_all_spellings() {
        for (value, expected) in [
            (Value::Boolean(true), true),
            (Value::Integer(0), false),
            (Value::Integer(1), true),
            (string("True"), true),
            (string("false"), false),
            (Value::Nil, false),
        ] {
            assert_eq!(options(&[("x", value)]).flag("x").unwrap(), expected);
        }
        assert!(options(&[("x", string("maybe"))]).flag("x").is_err());
        assert!(!options(&[]).flag("x").unwrap());
    }

    #[test]
    fn the_rspec_version_is_needed_and_must_be_known() {
        let version = |members: &[(&str, Value)]| {
            options(&[("geni_rspec_version", Value::Struct(options(members).0))]).rspec_version()
        };
        assert!(version(&[("type", string(" geni ")), ("version", Value::Integer(3))]).is_ok());
        assert_eq!(
            version(&[("type", string("GENI")), ("version", string("2"))]).unwrap_err().geni_code(),
            4
        );
        assert_eq!(version(&[("type", string("GENI"))]).unwrap_err().geni_code(), 1);
        assert_eq!(options(&[]).rspec_version().unwrap_err().geni_code(), 1);
    }

    #[test]
    fn missing_and_surplus_arguments_are_named() {
        let names: &[&str] = &["slice_urn", "credentials", "options"];
        let mut few = Arguments::new("Shutdown", names, vec![string("x")]).unwrap();
        few.string().unwrap();
        assert!(few.credentials().unwrap_err().to_string().contains("credentials"));
        assert!(Arguments::new("Shutdown", names, vec![Value::Nil; 4]).is_err());
    }

    #[test]
    fn times_come_as_strings_or_as_dates() {
        let date = Value::DateTime("20300131T12:00:00".parse().unwrap());
        let noon = time::parse("2030-01-31T12:00:00Z").unwrap();
        for value in
            [date, string("2030-01-31T13:00:00+01:00"), Value::Base64(b"2030-01-31T12:00:00".to_vec())]
        {
            assert_eq!(options(&[("t", value.clone())]).time("t").unwrap(), Some(noon));
            let mut arguments = Arguments::new("Renew", &["expiration_time"], vec![value]).unwrap();
            assert_eq!(arguments.time().unwrap(), noon);
        }
        assert_eq!(options(&[("t", string(""))]).time("t").unwrap(), None);
        let error = options(&[("t", Value::Integer(7))]).time("t").unwrap_err();
        assert_eq!((error.geni_code(), error.to_string().contains("option t")), (1, true), "{error}");
        let mut arguments = Arguments::new("Renew", &["expiration_time"], vec![string("soon")]).unwrap();
        assert!(arguments.time().unwrap_err().to_string().contains("expiration_time"));
    }

    #[test]
    fn no_credentials_at_all_are_a_wrong_argument() {
        let empty = vec![Value::Array(Vec::new())];
        let error = Arguments::new("Status", &["credentials"], empty).unwrap().credentials().unwrap_err();
        assert_eq!(
            (error.geni_code(), error.to_string().contains("credentials is empty")),
            (1, true),
            "{error}"
        );
    }

    #[test]
    fn an_empty_list_is_an_empty_struct_and_the_reverse_but_not_for_credentials() {
        let read = |value| Arguments::new("Status", &["options"], vec![value]).unwrap();
        let (none, one) = (Value::Array(vec![]), Value::Array(vec![string("x")]));
        assert!(read(none.clone()).options().unwrap().0.is_empty());
        assert!(read(one).options().is_err());
        let empty = Value::Struct(BTreeMap::new());
        assert_eq!(options(&[("geni_users", empty.clone())]).users().unwrap(), Some(vec![]));
        assert!(options(&[("geni_rspec_version", none.clone())]).rspec_version().is_err());
        assert!(read(empty.clone()).credentials().is_err());
        assert!(read(empty).urns().is_err());
        assert!(read(Value::Array(vec![none])).credentials().is_err());
    }

    #[test]
    fn credentials_come_as_structs_strings_or_base64() {
        let sfa = Value::Struct(
            [
                ("geni_type", string("geni_sfa")),
                ("geni_version", string("3")),
                ("geni_value", Value::Base64(b"<x/>".to_vec())),
            ]
            .map(|(name, value)| (name.to_owned(), value))
            .into(),
        );
        let read = |value| {
            Arguments::new("Status", &["credentials"], vec![Value::Array(vec![value])]).unwrap().credentials()
        };
        assert_eq!(read(sfa).unwrap()[0].xml, "<x/>");
        assert_eq!(read(string("<y/>")).unwrap()[0].kind, "geni_sfa");
        assert!(read(Value::Integer(5)).is_err());
        assert!(read(Value::Struct(BTreeMap::new())).is_err());
    }
}
