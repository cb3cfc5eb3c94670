//! What is measured of instances.

use super::{Scene, View, reference};
use crate::xml::Element;
use drivers::{Metric, Sample, number_text};
use serde_json::{Value, json};

/// A sample's values by the names that the API has for them, in its order.
fn values(sample: &Sample) -> [(&'static str, Value); 5] {
    // Counts are whole numbers, and written so.
    let number =
        |value: f64| number_text(value).parse::<serde_json::Number>().map_or(Value::Null, Value::from);
    [
        ("minimum", number(sample.minimum)),
        ("maximum", number(sample.maximum)),
        ("average", number(sample.average)),
        ("timestamp", json!(sample.at.timestamp())),
        ("unit", json!(sample.unit)),
    ]
}

impl View for Metric {
    const ONE: &'static str = "metric";
    const MANY: &'static str = "metrics";

    fn id(&self) -> &str {
        &self.id
    }

    fn xml(&self, scene: &Scene) -> Element {
        let text = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let sample =
            |sample: &Sample| {
                Element::new("sample").with_all(values(sample).into_iter().map(|(name, value)| {
                    Element::new("property").attr("name", name).attr("value", text(value))
                }))
            };
        let series = self
            .series
            .iter()
            .map(|(measure, samples)| Element::new(measure.as_str()).with_all(samples.iter().map(sample)));
        reference("metric", "metrics", &self.id, scene)
            .with(Element::leaf("entity", &self.entity))
            .with(Element::new("properties").with_all(series))
    }

    fn json(&self, scene: &Scene) -> Value {
        let sample = |sample: &Sample| -> Value {
            Value::Object(values(sample).into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
        };
        let series: Vec<_> = self
            .series
            .iter()
            .map(|(measure, samples)| {
                // What has not been looked at is told as nothing, as the API has it in listings.
                let values = (!samples.is_empty()).then(|| samples.iter().map(sample).collect::<Vec<_>>());
                json!({ "name": measure.as_str(), "values": values })
            })
            .collect();
        json!({
            "id": self.id,
            "href": scene.links.to(&["metrics", &self.id]),
            "entity": self.entity,
            "properties": series,
        })
    }
}
