//! `template.yaml` as the rules see it: short tags such as `!Ref` become CloudFormation's long form.

use crate::repository::read;
use serde_json::{Map, Value, json};
use serde_yaml_ng::Value as Yaml;
use std::collections::BTreeMap;

pub struct Template {
    pub resources: Map<String, Value>,
    globals: Value,
}

pub fn template() -> Template {
    let mut whole =
        plain(serde_yaml_ng::from_str(&read("template.yaml")).expect("template.yaml is YAML"));
    let Value::Object(resources) = whole["Resources"].take() else {
        panic!("template.yaml has Resources")
    };
    Template {
        resources,
        globals: whole["Globals"].take(),
    }
}

fn plain(yaml: Yaml) -> Value {
    match yaml {
        Yaml::Null => Value::Null,
        Yaml::Bool(value) => Value::Bool(value),
        Yaml::Number(number) => number
            .as_i64()
            .map_or_else(|| json!(number.as_f64()), |whole| json!(whole)),
        Yaml::String(text) => Value::String(text),
        Yaml::Sequence(items) => items.into_iter().map(plain).collect(),
        Yaml::Mapping(entries) => entries
            .into_iter()
            .map(|(key, value)| {
                (
                    key.as_str().expect("keys are texts").to_owned(),
                    plain(value),
                )
            })
            .collect(),
        Yaml::Tagged(tagged) => long_form(&tagged.tag.to_string(), plain(tagged.value)),
    }
}

fn long_form(tag: &str, value: Value) -> Value {
    match (tag.trim_start_matches('!'), value) {
        ("Ref", value) => json!({ "Ref": value }),
        ("GetAtt", Value::String(path)) => {
            json!({ "Fn::GetAtt": path.split('.').collect::<Vec<_>>() })
        }
        (name, value) => json!({ format!("Fn::{name}"): value }),
    }
}

impl Template {
    /// Logical ids and properties of all resources of a type.
    pub fn of(&self, kind: &str) -> BTreeMap<&str, &Value> {
        self.resources
            .iter()
            .filter(|(_, resource)| resource["Type"] == kind)
            .map(|(name, resource)| (name.as_str(), &resource["Properties"]))
            .collect()
    }

    pub fn functions(&self) -> BTreeMap<&str, &Value> {
        self.of("AWS::Serverless::Function")
    }

    /// A function's variables: its own and the global ones.
    pub fn variables(&self, function: &Value) -> BTreeMap<String, Value> {
        let global = &self.globals["Function"]["Environment"]["Variables"];
        [global, &function["Environment"]["Variables"]]
            .into_iter()
            .filter_map(Value::as_object)
            .flatten()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }
}

/// The queues of a function's mappings, with the mapping's properties.
pub fn mappings(function: &Value) -> impl Iterator<Item = (String, &Value)> {
    events(function, "SQS").map(|properties| (logical(&properties["Queue"]), properties))
}

/// Properties of a function's events of a type.
pub fn events<'a>(function: &'a Value, kind: &'a str) -> impl Iterator<Item = &'a Value> {
    let events = function["Events"]
        .as_object()
        .into_iter()
        .flat_map(Map::values);
    events
        .filter(move |event| event["Type"] == kind)
        .map(|event| &event["Properties"])
}

/// What a value refers to: the logical id of a reference, with the rest of the ARN; any other text unchanged.
pub fn logical(value: &Value) -> String {
    if let Some(id) = value["Ref"]
        .as_str()
        .or_else(|| value["Fn::GetAtt"][0].as_str())
    {
        return id.to_owned();
    }
    let text = value["Fn::Sub"]
        .as_str()
        .or_else(|| value.as_str())
        .unwrap_or_else(|| panic!("no reference: {value}"));
    text.replace("${", "").replace(".Arn}", "")
}

/// A text or a list of texts.
pub fn texts(value: &Value) -> impl Iterator<Item = &str> {
    each(value).filter_map(Value::as_str)
}

/// One value or a list of values.
pub fn each(value: &Value) -> impl Iterator<Item = &Value> {
    value
        .as_array()
        .map_or(std::slice::from_ref(value), Vec::as_slice)
        .iter()
}
