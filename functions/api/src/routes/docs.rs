//! `GET /api/v1/docs`: the OpenAPI document as a page for people. The page loads its style only, and
//! runs no script.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use maud::{Markup, html};
use pages::{Page, copyable};
use serde_json::Value;
use std::fmt::Write;
use std::sync::LazyLock;

/// Shows this API as a page for people, with an example of every route.
#[utoipa::path(get, path = "/api/v1/docs", tag = "service", security(()),
    responses((status = 200, description = "The page.", body = String, content_type = "text/html")))]
pub async fn docs() -> Response {
    static PAGE: LazyLock<Page> = LazyLock::new(|| page(crate::document()));
    PAGE.clone().into_response()
}

fn page(document: &Value) -> Page {
    let description = document["info"]["description"].as_str().unwrap_or_default();
    let routes = routes(document);
    let content = html! {
        @for paragraph in description.split("\n\n") { p { (paragraph) } }
        p { "The same for programs: " a href="openapi.json" { "openapi.json" } "." }
        @for tag in document["tags"].as_array().into_iter().flatten() {
            @let of_tag: Vec<_> = routes.iter().filter(|route| route.operation["tags"][0] == tag["name"]).collect();
            @if !of_tag.is_empty() {
                section {
                    h2 { (text(&tag["name"])) }
                    p { (text(&tag["description"])) }
                    @for route in of_tag { (section(document, route)) }
                }
            }
        }
    };
    Page::new(StatusCode::OK, "The API").with(&content)
}

struct Route<'a> {
    method: String,
    path: &'a str,
    operation: &'a Value,
}

fn routes(document: &Value) -> Vec<Route<'_>> {
    let mut routes = Vec::new();
    for (path, methods) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            routes.push(Route {
                method: method.to_uppercase(),
                path,
                operation,
            });
        }
    }
    routes
}

fn section(document: &Value, route: &Route<'_>) -> Markup {
    let (summary, description) = (&route.operation["summary"], &route.operation["description"]);
    let responses = route.operation["responses"].as_object();
    html! {
        h3 { code { (route.method) " " (route.path) } }
        p { (text(summary)) }
        @if description != summary { p { (text(description)) } }
        (copyable(&example(document, route)))
        p.quiet {
            @for (status, response) in responses.into_iter().flatten() {
                (status) ": " (text(&response["description"])) " "
            }
        }
    }
}

/// Returns a `curl` call that can be pasted into a shell.
fn example(document: &Value, route: &Route<'_>) -> String {
    let open = route.operation["security"]
        .as_array()
        .is_some_and(|ways| ways.iter().any(|way| way.get("key").is_none()));
    let mut call = format!(
        "curl -X {} \"$TALLYHOOK{}\"",
        route.method,
        route.path.replace('{', "$").replace('}', "")
    );
    if !open {
        call.push_str(" \\\n  -H \"Authorization: Bearer $KEY\"");
    }
    let named = |parameter: &Value| {
        parameter["$ref"]
            .as_str()
            .is_some_and(|place| place.ends_with("/IdempotencyKey"))
    };
    if route.operation["parameters"]
        .as_array()
        .is_some_and(|list| list.iter().any(named))
    {
        call.push_str(" \\\n  -H \"Idempotency-Key: $(uuidgen)\"");
    }
    let schema = &route.operation["requestBody"]["content"]["application/json"]["schema"];
    if !schema.is_null() {
        let body = sample(document, schema, DEPTH_MAX);
        let _ = write!(
            call,
            " \\\n  -H 'Content-Type: application/json' \\\n  -d '{body}'"
        );
    }
    call
}

/// How deep a sample descends into nested schemas.
const DEPTH_MAX: usize = 6;

/// Returns a value that fits a schema: its example, or the smallest value that it allows.
fn sample(document: &Value, schema: &Value, depth: usize) -> Value {
    let Some(depth) = depth.checked_sub(1) else {
        return Value::Null;
    };
    if let Some(place) = schema["$ref"]
        .as_str()
        .and_then(|place| place.strip_prefix("#/components/schemas/"))
    {
        return sample(document, &document["components"]["schemas"][place], depth);
    }
    let given = schema.get("example").or_else(|| schema["examples"].get(0));
    if let Some(given) = given.or_else(|| schema["enum"].get(0)) {
        return given.clone();
    }
    if let Some(first) = ["oneOf", "anyOf", "allOf"]
        .iter()
        .find_map(|word| schema[*word].as_array()?.first())
    {
        return sample(document, first, depth);
    }
    let kind = schema["type"]
        .as_str()
        .or_else(|| schema["type"].get(0)?.as_str());
    match kind {
        Some("object") => {
            let wanted = schema["required"].as_array();
            let is_wanted =
                |name: &str| wanted.is_none_or(|wanted| wanted.iter().any(|one| one == name));
            let properties = schema["properties"].as_object().into_iter().flatten();
            let mut properties = properties
                .filter(|(name, property)| is_wanted(name) && property.get("oneOf").is_none());
            match wanted {
                Some(_) => properties
                    .map(|(name, property)| (name.clone(), sample(document, property, depth)))
                    .collect(),
                // Nothing is required, so one property is enough.
                None => properties
                    .next()
                    .map(|(name, property)| (name.clone(), sample(document, property, depth)))
                    .into_iter()
                    .collect(),
            }
        }
        Some("array") => Value::Array(vec![sample(document, &schema["items"], depth)]),
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or_else(|| 1.into()),
        Some("boolean") => false.into(),
        _ => "…".into(),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
