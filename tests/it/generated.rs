//! The pages that are generated from the code: docs/settings.md from the settings types,
//! docs/routes.md from the OpenAPI documents of the API and of the operators' API. `UPDATE=1 cargo
//! test --test it is_current` writes them. The routes of webhooks and browsers are in no document,
//! so they are listed here.

use local_stack::settings;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

#[test]
fn the_settings_page_is_current() {
    current("docs/settings.md", &settings_page());
}

#[test]
fn the_routes_page_is_current() {
    current("docs/routes.md", &routes_page());
}

fn current(path: &str, expected: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if boot::Env::of_process().find("UPDATE").is_some() {
        std::fs::write(&file, expected).expect("a writable file");
    }
    let found = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        found == expected,
        "{path} is out of date; run `UPDATE=1 cargo test --test it is_current`"
    );
}

const ROUTES_HEAD: &str = "\
# Routes

A test writes this page from the OpenAPI documents of the API and of the operators' API: `UPDATE=1 cargo test --test it is_current`.

## Webhooks

Receivers answer in plain text: 202 when the event is recorded, 400, 401, 413 or 503 otherwise.

| route | caller |
|---|---|
| `POST /github/webhook` | GitHub |
| `POST /stripe/webhook`, also `/webhooks/stripe`, `/api/billing/webhook`, `/api/stripe/webhook` | Stripe |
| `GET /health` | anyone; answers 200 and the version |

## Browsers

| route | what it does |
|---|---|
| `GET /signin`, `GET /signin/callback` | signs in with GitHub |
| `POST /signout` | ends the session |
| `GET /signup` | signs up by mail |
| `GET /setup`, `POST /setup` | shows and chooses which account pays for a GitHub owner |
| `POST /setup/account` | makes a person the admin of the account whose key they enter |
| `POST /setup/choice` | switches to another of the person's accounts |
| `GET /status` | a page, or JSON, that says whether every webhook has arrived; anybody may read it |
| `GET /welcome/{token}`, `POST /welcome/{token}` | a page that shows an account's first key once |
| `GET /` | what Tallyhook does, its plans and prices |
| `GET /billing` | the account's plan, credits and quotas |
| `GET /billing/usage` | pull requests, tokens and credits of each of the last 30 days |
| `GET /billing/top-up`, with forms below it | packs of credits, automatic top-up, the spend limit, payment methods |
| `GET /billing/success`, `GET /billing/cancelled` | where Checkout returns to |
| `GET /billing/plan`, with forms below it | the plans; buys, previews, changes now or when the period ends, cancels and resumes |
| `GET /billing/transactions`, `GET /billing/transactions.csv` | every movement of credits, with filters |
| `GET /billing/invoices`, `GET /billing/invoices/{id}/pdf` | the invoices and their files |
| `GET /jobs`, `GET /jobs/{id}`, with forms below them | the jobs, and one job as it proceeds; requests, retries and cancels them |
| `GET /settings/members`, `…/keys`, `…/notices`, `…/sessions`, `…/account`, with forms below them | the account's people and programs, its mails, where you are signed in, itself |

## The API

Send a key as `Authorization: Bearer th_live_…`, or a session cookie with the CSRF token. `/api/v1/docs` shows every route with an
example, `/api/v1/openapi.json` is the OpenAPI document.

- **Idempotency keys.** Routes marked with \u{2020} need an `Idempotency-Key` of 1 to 200 plain characters. The same key on the same route is
  the same request, however often it arrives.
- **Cursors.** Lists have pages. Pass `next_cursor` as `cursor` until there is none.
- **Errors** are `application/problem+json` with a `code` for programs and a `detail` for people.
- **Request ids.** Every answer has an `x-request-id`; send a plain one of at most 64 characters to choose it.
- **Rate limits.** `ratelimit-limit`, `-remaining` and `-reset` show where you are; beyond the limit an answer is 429 with `retry-after`.
- There is no CORS: pages of other sites cannot call the API.

```sh
curl \"$URL/api/v1/billing/balance\" -H \"Authorization: Bearer $KEY\"
curl -X POST \"$URL/api/v1/credits/holds\" -H \"Authorization: Bearer $KEY\" -H \"Idempotency-Key: order-4711\" \\
  -H \"Content-Type: application/json\" -d '{\"credits\":\"12.5\",\"description\":\"a summary\"}'
```
";

const OPERATORS_HEAD: &str = "
Some of these have other paths, for clients of other systems: see [paths.md](paths.md).

## Operators

Operators send `Authorization: Bearer <token>`, the part of `OPERATOR_TOKEN` after the colon. `/api/v1/admin/openapi.json` is the OpenAPI
document, with every field. Lists have 50 items a page and a `cursor`; idempotency keys, errors and request ids are those of the API.
";

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

fn routes_page() -> String {
    let mut page = ROUTES_HEAD.to_owned();
    write_routes(&mut page, api::document());
    page.push_str(OPERATORS_HEAD);
    write_routes(&mut page, admin::document());
    page
}

/// Writes the routes of a document, with a table for each tag.
fn write_routes(page: &mut String, document: &Value) {
    let mut groups: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (path, methods) in document["paths"].as_object().into_iter().flatten() {
        for method in METHODS {
            let operation = &methods[method];
            if operation.is_object() {
                let tag = operation["tags"][0].as_str().unwrap_or("other");
                groups
                    .entry(tag)
                    .or_default()
                    .push(route(method, path, operation));
            }
        }
    }
    for (tag, rows) in groups {
        let _ = write!(page, "\n### {tag}\n\n| route | what it does |\n|---|---|\n");
        page.extend(rows);
    }
}

fn route(method: &str, path: &str, operation: &Value) -> String {
    let what = operation["summary"].as_str().unwrap_or_default();
    let once = operation["parameters"]
        .as_array()
        .is_some_and(|parameters| {
            parameters.iter().any(|parameter| {
                parameter["$ref"]
                    .as_str()
                    .is_some_and(|name| name.ends_with("IdempotencyKey"))
                    || parameter["name"] == "idempotency-key" && parameter["required"] == true
            })
        });
    format!(
        "| `{} {path}`{} | {} |\n",
        method.to_uppercase(),
        if once { " \u{2020}" } else { "" },
        cell(what)
    )
}

/// Escapes a text so that it stays in one table cell.
fn cell(text: &str) -> String {
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace('|', "\\|")
}

const SETTINGS_HEAD: &str = "\
# Settings

A test writes this page from the settings types: `UPDATE=1 cargo test --test it is_current`.

`template.yaml` sets all of them on Lambda. A function checks its settings when it starts and reports everything that is missing or
malformed at once. A blank setting counts as missing. If a setting has two names, the first that is set counts.

A *secret* is the value itself or a reference `ssm:/name/of/parameter`, which is fetched at first use and again after 60 s.

The local stack sets everything itself. It reads the settings marked *local* from the environment, some only with the flag that replaces
the stand-in (`--github-url`, `--stripe-url`, `--model-url`). [.env.example](../.env.example) has the same list to copy.
";

fn settings_page() -> String {
    let mut page = SETTINGS_HEAD.to_owned();
    let functions = settings::by_function().len();
    let mut group = "";
    for entry in settings::all() {
        if entry.group != group {
            group = entry.group;
            let _ = write!(
                page,
                "\n## {group}\n\n| setting | read by | value | description |\n|---|---|---|---|\n"
            );
        }
        let setting = &entry.setting;
        let alias = setting.alias;
        let alias = alias.map_or_else(String::new, |alias| format!(" or `{alias}`"));
        let mut value = vec![match setting.default {
            _ if setting.required => "required".to_owned(),
            Some(default) => format!("default `{default}`"),
            None => "optional".to_owned(),
        }];
        value.extend(setting.secret.then(|| "*secret*".to_owned()));
        value.extend(entry.local.map(|local| format!("*{local}*")));
        let readers = if entry.functions.len() == functions {
            "all functions".to_owned()
        } else {
            entry.functions.join(", ")
        };
        let _ = writeln!(
            page,
            "| `{}`{alias} | {readers} | {} | {} |",
            setting.name,
            value.join(", "),
            cell(setting.description)
        );
    }
    page
}
