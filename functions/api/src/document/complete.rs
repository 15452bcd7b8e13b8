//! What holds for every route, added to each.

use serde_json::{Map, Value, json};

/// What each part of the API is about.
const TAGS: [(&str, &str); 12] = [
    (
        "sign-up",
        "From nobody to an account with a key. Open to everybody.",
    ),
    ("account", "What your account is and may do."),
    (
        "billing",
        "Balance, movements, quotas, invoices and purchases.",
    ),
    ("credits", "Holds on credits for work of your own."),
    (
        "usage",
        "What your own service uses, counted against its quotas.",
    ),
    ("jobs", "Issues on their way to pull requests."),
    ("commits", "Commits in words."),
    (
        "tests",
        "Test files scored, and tests put into one. Nothing to pay.",
    ),
    ("keys", "Keys for your programs."),
    (
        "people",
        "Who is signed in, for which account, and who belongs to it.",
    ),
    ("sales", "What is sold. Open to everybody."),
    ("service", "The door itself. Open to everybody."),
];

/// What a status says where a route does not say it better.
const STATUSES: [(&str, &str); 15] = [
    ("200", "Done."),
    ("201", "Made."),
    (
        "202",
        "Taken; what is under way goes on to its next step first.",
    ),
    ("204", "Done; there is nothing to show."),
    (
        "400",
        "Something in the request is wrong; `detail` says what.",
    ),
    ("401", "No key and no session, or one that opens nothing."),
    ("402", "There are not enough credits."),
    (
        "403",
        "This key or role may not do that, or the session sent no CSRF token.",
    ),
    ("404", "There is no such thing, or it is not yours."),
    (
        "409",
        "It clashes with what is there, or the Idempotency-Key was used for something else.",
    ),
    ("410", "It is over."),
    ("422", "It is understood and cannot be done."),
    (
        "429",
        "Too many for now; go on after `retry-after` seconds.",
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

/// Where people come with a browser.
const PAGES: &str = "/welcome/";

/// What every caller of a route behind a key can be told.
const BEHIND_A_KEY: [&str; 5] = ["401", "403", "429", "500", "503"];

/// Completes the document.
pub fn complete(document: &mut Value) {
    let tags = TAGS.map(|(name, description)| json!({ "name": name, "description": description }));
    document["tags"] = Value::from(tags.to_vec());
    document["components"]["headers"] = headers();
    let mut idempotency_key = Value::Null;
    let Some(paths) = document["paths"].as_object_mut() else {
        return;
    };
    for (path, methods) in paths {
        for (method, operation) in methods.as_object_mut().into_iter().flatten() {
            let name = path
                .trim_start_matches("/api/v1/")
                .replace(['/', '-', '.'], "_")
                .replace(['{', '}'], "");
            operation["operationId"] = format!("{method}_{name}").into();
            complete_operation(path, operation, &mut idempotency_key);
        }
    }
    document["components"]["parameters"] = json!({ "IdempotencyKey": idempotency_key });
}

fn complete_operation(path: &str, operation: &mut Value, idempotency_key: &mut Value) {
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
    let also = BEHIND_A_KEY.into_iter().filter(|_| !open);
    let also = also
        .chain(asks.then_some("400"))
        .chain(path.contains('{').then_some("404"));
    for status in also {
        responses
            .entry(status)
            .or_insert_with(|| json!({ "description": "" }));
    }
    for (status, response) in responses {
        complete_response(status, response, !open);
        if path.starts_with(PAGES) {
            // Whoever does not ask for JSON is a person, and gets a page.
            response["content"]["text/html"] = json!({ "schema": { "type": "string" } });
        }
    }
}

/// Completes the parameters and says whether the request has a part that can be malformed. The idempotency key becomes a
/// reference, and its own description moves to `idempotency_key`.
fn complete_parameters(operation: &mut Value, idempotency_key: &mut Value) -> bool {
    let mut asks = operation.get("requestBody").is_some();
    for parameter in operation
        .get_mut("parameters")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        if parameter["name"] == "idempotency-key" {
            let reference = json!({ "$ref": "#/components/parameters/IdempotencyKey" });
            *idempotency_key = std::mem::replace(parameter, reference);
            asks = true;
            continue;
        }
        asks |= parameter["in"] == "query";
        if parameter["description"].is_null() {
            parameter["description"] = "The id of it.".into();
        }
        // A query has no null: what is absent is left out.
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

fn complete_response(status: &str, response: &mut Value, counted: bool) {
    if response["description"].as_str().is_none_or(str::is_empty) {
        let known = STATUSES.iter().find(|(known, _)| *known == status);
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
    if counted && status != "401" {
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
            "description": "What the request is called in our log; your own x-request-id if it is plain and short.",
            "required": true,
            "schema": { "type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[A-Za-z0-9._-]+$" },
        },
        "ratelimit-limit": number("Requests there are in a minute, of the tighter limit: your key's or your account's."),
        "ratelimit-remaining": number("Requests that are left of it in this minute."),
        "ratelimit-reset": number("Seconds until the next minute begins."),
        "retry-after": {
            "description": "Seconds to wait.",
            "required": true,
            "schema": { "type": "integer", "minimum": 1 },
        },
        "www-authenticate": {
            "description": "How to come in: `Bearer`.",
            "required": true,
            "schema": { "type": "string" },
        },
    })
}
