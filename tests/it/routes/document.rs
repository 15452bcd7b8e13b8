//! The OpenAPI documents, and the page of the API: every route is described, and the page names
//! every route and loads nothing from other hosts.

use crate::world::program::{program, request, respond};
use serde_json::Value;
use std::collections::BTreeSet;

#[test]
fn every_operation_of_the_api_is_described() {
    described(api::document(), &["401", "403", "429", "500", "503"]);
}

#[test]
fn every_operation_of_operators_is_described() {
    let document = admin::document();
    described(document, &["401", "500", "503"]);
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(
        document["components"]["securitySchemes"]["operator"]["scheme"],
        "bearer"
    );
}

/// Each operation has a name, descriptions and responses, and these statuses if it needs
/// credentials.
fn described(document: &Value, protected: &[&str]) {
    let (mut ids, mut count) = (BTreeSet::new(), 0);
    let tags: BTreeSet<_> = document["tags"]
        .as_array()
        .expect("tags")
        .iter()
        .map(|tag| tag["name"].as_str().expect("a name"))
        .collect();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            let what = format!("{method} {path}");
            for field in ["operationId", "summary", "description"] {
                assert!(
                    operation[field]
                        .as_str()
                        .is_some_and(|text| !text.is_empty()),
                    "{what} has no {field}"
                );
            }
            assert!(
                ids.insert(operation["operationId"].as_str()),
                "{what}: two of one id"
            );
            assert!(
                operation["tags"][0]
                    .as_str()
                    .is_some_and(|tag| tags.contains(tag)),
                "{what}: {}",
                operation["tags"]
            );
            for (status, response) in operation["responses"].as_object().expect("responses") {
                assert!(
                    response["description"]
                        .as_str()
                        .is_some_and(|text| !text.is_empty()),
                    "{what} {status}"
                );
                assert!(
                    response["headers"]["x-request-id"].is_object(),
                    "{what} {status}"
                );
                let problem = &response["content"]["application/problem+json"];
                assert_eq!(
                    status.starts_with(['4', '5']),
                    problem.is_object(),
                    "{what} {status}"
                );
            }
            if operation["security"].is_null() {
                for status in protected {
                    assert!(
                        operation["responses"][status].is_object(),
                        "{what} {status}"
                    );
                }
            }
            count += 1;
        }
    }
    assert!(count >= 20, "{count}");
    for (name, schema) in document["components"]["schemas"]
        .as_object()
        .expect("schemas")
    {
        let asked = document.to_string().contains(&format!("\"requestBody\":{{\"content\":{{\"application/json\":{{\"schema\":{{\"$ref\":\"#/components/schemas/{name}\""));
        assert!(
            !asked || schema["type"] != "object" || schema["additionalProperties"] == false,
            "{name} takes unknown fields"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_page_names_every_route_and_loads_nothing() {
    let program = program("credits", &[]).await;
    let page = respond(&program.world, request("GET", "/api/v1/docs", "", &[], "")).await;
    assert_eq!(
        (page.status().as_u16(), &page.headers()["content-type"]),
        (200, &"text/html; charset=utf-8".parse().expect("a value"))
    );
    let policy = page.headers()["content-security-policy"]
        .to_str()
        .expect("a text");
    assert!(
        policy.starts_with("default-src 'none'; style-src 'self';") && !policy.contains("unsafe"),
        "{policy}"
    );
    let text = String::from_utf8(page.body().to_vec()).expect("UTF-8");
    assert!(
        !text.contains("<script")
            && !text
                .replace("http://www.w3.org/2000/svg", "")
                .contains("http://")
            && !text.contains("https://"),
        "nothing from outside"
    );
    let document: Value = serde_json::to_value(api::document()).expect("JSON");
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for method in methods.as_object().expect("methods").keys() {
            let method = method.to_uppercase();
            assert!(
                text.contains(&format!("<code>{method} {path}</code>")),
                "{method} {path}"
            );
            assert!(
                text.contains(&format!(
                    "curl -X {method} &quot;$TALLYHOOK{}",
                    path.replace('{', "$").replace('}', "")
                )),
                "{path}"
            );
        }
    }
    program.world.done().await;
}

/// Six routes give a request a key if it has none; all others that take a key require one.
#[test]
fn a_key_is_optional_on_six_routes() {
    let document = api::document();
    let shared = &document["components"]["parameters"]["IdempotencyKey"];
    assert_eq!(shared["required"], true, "{shared}");
    let operations = document["paths"].as_object().expect("paths").values();
    let parameters = operations
        .flat_map(|path| path.as_object().into_iter().flatten())
        .flat_map(|(_, operation)| operation["parameters"].as_array().into_iter().flatten());
    let optional = parameters.filter(|one| one["name"] == "idempotency-key");
    let required: Vec<_> = optional.map(|one| &one["required"]).collect();
    assert_eq!(required, vec![&serde_json::json!(false); 6]);
}
