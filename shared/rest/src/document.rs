//! Completes an OpenAPI document: adds the parts that every route shares, so that a new route has
//! them, too. These are the tags, operation ids, problems, request ids, rate limits and the
//! idempotency key.

use serde_json::{Map, Value, json};

/// What distinguishes the document of one function from those of others.
pub struct Shape {
    /// The prefix of the paths. What follows it names the operation.
    pub prefix: &'static str,
    /// The tags and their descriptions, in the order of the document.
    pub tags: &'static [(&'static str, &'static str)],
    /// The error statuses of every route that needs credentials.
    pub protected: &'static [&'static str],
    /// Descriptions of statuses that mean something of their own here.
    pub statuses: &'static [(&'static str, &'static str)],
}

/// The description of each status, unless the function or the route has its own.
const STATUSES: [(&str, &str); 14] = [
    ("200", "Done."),
    ("201", "Created."),
    ("202", "Accepted."),
    ("204", "Done; the answer is empty."),
    (
        "400",
        "The request is malformed or out of bounds; see `detail`.",
    ),
    ("401", "The request has no valid credentials."),
    ("403", "The caller may not do this."),
    ("404", "It does not exist."),
    (
        "409",
        "The request conflicts with the present state, or the Idempotency-Key was used for another request.",
    ),
    ("410", "It has expired or was used."),
    (
        "422",
        "The request is well-formed and cannot be carried out.",
    ),
    (
        "429",
        "Too many requests; retry after `retry-after` seconds.",
    ),
    (
        "500",
        "An internal error occurred; contact support with the `request_id`.",
    ),
    (
        "503",
        "The service is temporarily unavailable. Nothing was lost; retry the request.",
    ),
];

/// Completes every operation, and adds tags, headers and parameters.
pub fn complete(document: &mut Value, shape: &Shape) {
    let tag =
        |(name, description): &(&str, &str)| json!({ "name": name, "description": description });
    document["tags"] = shape.tags.iter().map(tag).collect();
    document["components"]["headers"] = headers();
    let mut idempotency_key = Value::Null;
    let Some(paths) = document["paths"].as_object_mut() else {
        return;
    };
    for (path, methods) in paths {
        for (method, operation) in methods.as_object_mut().into_iter().flatten() {
            let name = path
                .trim_start_matches(shape.prefix)
                .trim_start_matches('/')
                .replace(['/', '-', '.'], "_")
                .replace(['{', '}'], "");
            operation["operationId"] = format!("{method}_{name}").into();
            complete_operation(path, operation, shape, &mut idempotency_key);
        }
    }
    document["components"]["parameters"] = json!({ "IdempotencyKey": idempotency_key });
}

fn complete_operation(
    path: &str,
    operation: &mut Value,
    shape: &Shape,
    idempotency_key: &mut Value,
) {
    if operation["description"].is_null() {
        operation["description"] = operation["summary"].clone();
    }
    let open = operation["security"]
        .as_array()
        .is_some_and(|ways| ways.iter().any(|way| *way == json!({})));
    let asks = complete_parameters(operation, idempotency_key);
    if !operation["responses"].is_object() {
        operation["responses"] = json!({});
    }
    let Some(responses) = operation["responses"].as_object_mut() else {
        return;
    };
    let also = shape.protected.iter().copied().filter(|_| !open);
    let also = also
        .chain(asks.then_some("400"))
        .chain(path.contains('{').then_some("404"));
    for status in also {
        responses
            .entry(status)
            .or_insert_with(|| json!({ "description": "" }));
    }
    for (status, response) in responses {
        complete_response(status, response, shape, !open);
    }
}

/// Completes the parameters. Returns whether the request has a part that can be malformed. A required
/// idempotency key becomes a reference, and its definition moves to `idempotency_key`; an optional one
/// is another parameter and stays.
fn complete_parameters(operation: &mut Value, idempotency_key: &mut Value) -> bool {
    let mut asks = operation.get("requestBody").is_some();
    for parameter in operation
        .get_mut("parameters")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        if parameter["name"] == "idempotency-key" {
            asks = true;
            if parameter["required"] != true {
                continue;
            }
            let reference = json!({ "$ref": "#/components/parameters/IdempotencyKey" });
            *idempotency_key = std::mem::replace(parameter, reference);
            continue;
        }
        asks |= parameter["in"] == "query";
        if parameter["description"].is_null() {
            parameter["description"] = "The id.".into();
        }
        // A query cannot carry null; clients leave absent parameters out.
        if let Some(kinds) = parameter["schema"]["type"].as_array() {
            parameter["schema"]["type"] = kinds
                .iter()
                .find(|kind| **kind != "null")
                .cloned()
                .unwrap_or_default();
        }
    }
    asks
}

fn complete_response(status: &str, response: &mut Value, shape: &Shape, protected: bool) {
    if response["description"].as_str().is_none_or(str::is_empty) {
        let mut all = shape.statuses.iter().chain(&STATUSES);
        let known = all.find(|(known, _)| *known == status);
        response["description"] = known.map_or("", |(_, words)| words).into();
    }
    let mut headers = Map::new();
    let mut say = |name: &str| {
        headers.insert(
            name.to_owned(),
            json!({ "$ref": format!("#/components/headers/{name}") }),
        )
    };
    say("x-request-id");
    if protected && shape.protected.contains(&"429") && status != "401" {
        for name in ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"] {
            say(name);
        }
    }
    match status {
        "429" => drop(say("retry-after")),
        "401" => drop(say("www-authenticate")),
        _ => {}
    }
    response["headers"] = headers.into();
    if status.starts_with(['4', '5']) {
        let schema = json!({ "$ref": "#/components/schemas/Problem" });
        response["content"] = json!({ "application/problem+json": { "schema": schema } });
    }
}

fn headers() -> Value {
    let number = |description: &str| json!({ "description": description, "schema": { "type": "integer", "minimum": 0 } });
    json!({
        "x-request-id": {
            "description": "The id of the request in our log; your own x-request-id if it is plain and short.",
            "required": true,
            "schema": { "type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[A-Za-z0-9._-]+$" },
        },
        "ratelimit-limit": number("The requests a minute of the tighter limit: your key's or your account's."),
        "ratelimit-remaining": number("The requests left of it in this minute."),
        "ratelimit-reset": number("Seconds until the next minute begins."),
        "retry-after": {
            "description": "Seconds to wait.",
            "required": true,
            "schema": { "type": "integer", "minimum": 1 },
        },
        "www-authenticate": {
            "description": "The authentication scheme: `Bearer`.",
            "required": true,
            "schema": { "type": "string" },
        },
    })
}
