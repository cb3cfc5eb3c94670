//! Hardware profiles: the sizes instances come in, and which of them the caller may choose.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::DriverError;

/// What values one property of a hardware profile can take.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum PropertyValue {
    /// One value, not to be chosen.
    Fixed {
        /// That value.
        value: String,
    },
    /// Any number between two bounds, both included.
    Range {
        /// The smallest.
        first: f64,
        /// The largest.
        last: f64,
        /// Taken when the caller says nothing.
        default: f64,
    },
    /// One of a list.
    Enum {
        /// The list.
        entries: Vec<String>,
        /// Taken when the caller says nothing.
        default: String,
    },
}

/// One dimension of a hardware profile: `cpu`, `memory`, `storage`, `architecture`, …
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Property {
    /// The dimension.
    pub name: String,
    /// `count`, `MB`, `GB`, or `label` for what is not a number.
    pub unit: String,
    /// What it can be.
    pub value: PropertyValue,
}

/// A size of instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HardwareProfile {
    /// Identity within the driver.
    pub id: String,
    /// For people.
    pub name: String,
    /// Its dimensions; a profile that tells nothing about itself has none.
    #[serde(default)]
    pub properties: Vec<Property>,
}

/// A number as the Deltacloud API writes it: no fraction when there is none (`7680`, `1740.8`).
#[must_use]
pub fn number_text(number: f64) -> String {
    format!("{number}")
}

impl Property {
    /// The parameter of instance creation that chooses this property; `None` when it is fixed.
    #[must_use]
    pub fn parameter(&self) -> Option<String> {
        match self.value {
            PropertyValue::Fixed { .. } => None,
            PropertyValue::Range { .. } | PropertyValue::Enum { .. } => Some(format!("hwp_{}", self.name)),
        }
    }

    /// The value an instance gets when its creator does not choose.
    #[must_use]
    pub fn default_value(&self) -> String {
        match &self.value {
            PropertyValue::Fixed { value } => value.clone(),
            PropertyValue::Range { default, .. } => number_text(*default),
            PropertyValue::Enum { default, .. } => default.clone(),
        }
    }

    /// The values that may be chosen, for a message: each entry, or `7680 to 15360`.
    #[must_use]
    pub fn allowed(&self) -> Vec<String> {
        match &self.value {
            PropertyValue::Fixed { value } => vec![value.clone()],
            PropertyValue::Range { first, last, .. } => {
                vec![format!("{} to {}", number_text(*first), number_text(*last))]
            }
            PropertyValue::Enum { entries, .. } => entries.clone(),
        }
    }

    /// Checks a chosen value and gives it back in its one written form (`4.0` becomes `4`), so that
    /// equal choices are equal texts.
    ///
    /// # Errors
    /// [`DriverError::Invalid`] with the parameter's name and what would be allowed.
    pub fn check(&self, chosen: &str) -> Result<String, DriverError> {
        let chosen = chosen.trim();
        let number = chosen.parse::<f64>().ok().filter(|n| n.is_finite());
        let same = |entry: &str| {
            entry == chosen
                || (number.is_some() && self.unit != "label" && entry.parse::<f64>().ok() == number)
        };
        let found = match &self.value {
            PropertyValue::Fixed { value } => same(value).then(|| value.clone()),
            PropertyValue::Range { first, last, .. } => {
                number.filter(|n| first <= n && n <= last).map(number_text)
            }
            PropertyValue::Enum { entries, .. } => entries.iter().find(|e| same(e)).cloned(),
        };
        found.ok_or_else(|| DriverError::Invalid {
            parameter: format!("hwp_{}", self.name),
            why: match self.value {
                PropertyValue::Fixed { .. } => format!("{chosen:?} differs from the fixed value"),
                PropertyValue::Range { .. } => format!("{chosen:?} is not a number in the range"),
                PropertyValue::Enum { .. } => format!("{chosen:?} is not one of the values"),
            },
            allowed: self.allowed(),
        })
    }
}

impl HardwareProfile {
    /// The property of this name.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<&Property> {
        self.properties.iter().find(|p| p.name == name)
    }

    /// Checks chosen values (property name to value) and gives them back in their one written form.
    ///
    /// # Errors
    /// [`DriverError::Invalid`] for a property the profile does not have, and for a value it cannot take.
    pub fn check(&self, chosen: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, DriverError> {
        chosen
            .iter()
            .map(|(name, value)| {
                let property = self.property(name).ok_or_else(|| DriverError::Invalid {
                    parameter: format!("hwp_{name}"),
                    why: format!("hardware profile {} has no property {name:?}", self.id),
                    allowed: self.properties.iter().filter_map(Property::parameter).collect(),
                })?;
                Ok((name.clone(), property.check(value)?))
            })
            .collect()
    }

    /// All values of an instance with these choices: chosen where chosen, else the default.
    ///
    /// # Errors
    /// As [`HardwareProfile::check`].
    pub fn resolve(
        &self,
        chosen: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, String>, DriverError> {
        let mut values: BTreeMap<_, _> =
            self.properties.iter().map(|p| (p.name.clone(), p.default_value())).collect();
        values.extend(self.check(chosen)?);
        Ok(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn large() -> HardwareProfile {
        HardwareProfile {
            id: "large".into(),
            name: "Large".into(),
            properties: vec![
                Property {
                    name: "cpu".into(),
                    unit: "count".into(),
                    value: PropertyValue::Fixed { value: "2".into() },
                },
                Property {
                    name: "memory".into(),
                    unit: "MB".into(),
                    value: PropertyValue::Range { first: 7680.0, last: 15360.0, default: 10240.0 },
                },
                Property {
                    name: "storage".into(),
                    unit: "GB".into(),
                    value: PropertyValue::Enum {
                        entries: vec!["850".into(), "1024".into()],
                        default: "850".into(),
                    },
                },
            ],
        }
    }

    fn values(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn values_not_chosen_take_the_default() {
        let got = large().resolve(&values(&[("memory", "12288.0")])).unwrap();
        assert_eq!(got, values(&[("cpu", "2"), ("memory", "12288"), ("storage", "850")]));
    }

    #[test]
    fn a_refusal_names_the_parameter_and_what_is_allowed() {
        for (name, value, allowed) in [
            ("cpu", "4", vec!["2"]),
            ("memory", "7679.9", vec!["7680 to 15360"]),
            ("memory", "NaN", vec!["7680 to 15360"]),
            ("memory", "much", vec!["7680 to 15360"]),
            ("storage", "900", vec!["850", "1024"]),
            ("gpu", "1", vec!["hwp_memory", "hwp_storage"]),
        ] {
            let Err(DriverError::Invalid { parameter, allowed: got, .. }) =
                large().resolve(&values(&[(name, value)]))
            else {
                panic!("{name}={value} was accepted")
            };
            assert_eq!(parameter, format!("hwp_{name}"));
            assert_eq!(got, allowed);
        }
    }

    #[test]
    fn bounds_are_included() {
        for value in ["7680", "15360"] {
            assert!(large().check(&values(&[("memory", value)])).is_ok());
        }
    }
}
