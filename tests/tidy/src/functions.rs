//! A folder in `functions/`, a package, a binary and a function in `template.yaml` have one name. `tests/it/settings.rs`
//! compares their settings.

use crate::repository::{find, functions, names, packages, pascal, read, report, sources};
use crate::template::{events, template};
use serde_json::Value;
use std::collections::BTreeSet;

#[test]
fn every_folder_is_a_function() {
    let template = template();
    let deployed = template.functions();
    let mut faults = Vec::new();
    for folder in functions() {
        let Some(function) = deployed.get(pascal(&folder).as_str()) else {
            faults.push(format!(
                "functions/{folder}: template.yaml has no function {}",
                pascal(&folder)
            ));
            continue;
        };
        if function["CodeUri"] != format!("functions/{folder}") {
            faults.push(format!(
                "{}: CodeUri must be functions/{folder}, its own package",
                pascal(&folder)
            ));
        }
        if find(format!("functions/{folder}/src/main.rs")).is_none() {
            faults.push(format!(
                "functions/{folder}: has no src/main.rs, so no binary to deploy"
            ));
        }
    }
    let folders: BTreeSet<_> = functions().iter().map(|folder| pascal(folder)).collect();
    faults.extend(
        deployed
            .keys()
            .filter(|name| !folders.contains(**name))
            .map(|name| format!("{name}: no folder in functions/")),
    );
    report(faults);
}

#[test]
fn every_function_is_built_by_cargo_lambda() {
    let template = template();
    report(
        template
            .functions()
            .keys()
            .filter(|name| {
                template.resources[**name]["Metadata"]["BuildMethod"] != "rust-cargolambda"
            })
            .map(|name| format!("{name}: Metadata must say BuildMethod: rust-cargolambda"))
            .collect(),
    );
}

#[test]
fn a_main_only_starts_its_function() {
    report(
        functions()
            .iter()
            .filter_map(|folder| {
                let lines = find(format!("functions/{folder}/src/main.rs"))?
                    .lines()
                    .filter(|line| !line.trim().is_empty())
                    .count();
                (lines > 25)
                    .then(|| format!("functions/{folder}/src/main.rs: {lines} lines; more than 25 is more than starting"))
            })
            .collect(),
    );
}

#[test]
fn every_function_and_queue_has_a_sample() {
    let template = template();
    let mut faults = Vec::new();
    for (name, function) in template.functions() {
        let folder = functions()
            .into_iter()
            .find(|folder| pascal(folder) == name)
            .unwrap_or_default();
        let mut wanted: Vec<_> = events(function, "SQS")
            .map(|mapping| {
                format!(
                    "sqs/{}.json",
                    queue(&crate::template::logical(&mapping["Queue"]))
                )
            })
            .collect();
        wanted.extend(events(function, "Schedule").map(|_| format!("schedule/{folder}.json")));
        wanted.extend(events(function, "HttpApi").map(|_| format!("api/{folder}.json")));
        faults.extend(
            wanted
                .iter()
                .filter(|path| find(format!("events/{path}")).is_none())
                .map(|path| format!("events/{path}: missing, {name} has no sample")),
        );
    }
    report(faults);
}

/// `GithubEventsQueue` → `github-events`.
fn queue(logical_id: &str) -> String {
    let name = logical_id.trim_end_matches("Queue");
    name.char_indices()
        .map(|(at, c)| {
            if at > 0 && c.is_ascii_uppercase() {
                format!("-{}", c.to_ascii_lowercase())
            } else {
                c.to_ascii_lowercase().to_string()
            }
        })
        .collect()
}

#[test]
fn samples_use_routes_of_the_template() {
    let template = template();
    let mut faults = Vec::new();
    for file in names("events/api") {
        let folder = file.trim_end_matches(".json");
        let sample: Value =
            serde_json::from_str(&read(format!("events/api/{file}"))).expect("samples are JSON");
        let deployed = template.functions();
        let routes: Vec<_> = deployed
            .get(pascal(folder).as_str())
            .into_iter()
            .flat_map(|function| events(function, "HttpApi"))
            .map(|route| {
                format!(
                    "{} {}",
                    route["Method"].as_str().unwrap_or_default(),
                    route["Path"].as_str().unwrap_or_default()
                )
            })
            .collect();
        if !routes.iter().any(|route| sample["routeKey"] == *route) {
            faults.push(format!(
                "events/api/{file}: {} is not one of {routes:?}",
                sample["routeKey"]
            ));
        }
    }
    report(faults);
}

/// A path that a receiver answers and the gateway does not route is never reached.
#[test]
fn receivers_answer_what_the_gateway_routes() {
    let template = template();
    let mut faults = Vec::new();
    for folder in ["github-webhook", "stripe-webhook"] {
        let text = read(format!("functions/{folder}/src/lib.rs"));
        let code = crate::repository::shipped(&text)
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        let quoted = code.flat_map(|line| line.split('"').skip(1).step_by(2));
        let answered: BTreeSet<_> = quoted
            .filter(|text| text.starts_with('/'))
            .map(str::to_owned)
            .collect();
        let deployed = template.functions();
        let routes = deployed
            .get(pascal(folder).as_str())
            .into_iter()
            .flat_map(|function| events(function, "HttpApi"));
        let routed: BTreeSet<_> = routes
            .filter_map(|route| route["Path"].as_str())
            .map(str::to_owned)
            .collect();
        faults.extend(
            answered.symmetric_difference(&routed).map(|path| {
                format!("{folder}: {path} is in lib.rs or in the template, not in both")
            }),
        );
    }
    report(faults);
}

/// Every test harness and every run of rustdoc is a program to build, so a package asks only for those that have something to
/// run. Forgetting a test costs more than building one: a package with tests must not switch them off.
#[test]
fn every_package_builds_the_tests_that_it_has() {
    let folders = ["functions", "shared", "infra/stand-ins"]
        .into_iter()
        .flat_map(|folder| {
            packages(folder)
                .into_iter()
                .map(move |name| format!("{folder}/{name}"))
        });
    let mut faults = Vec::new();
    for folder in folders {
        let manifest: toml::Table = read(format!("{folder}/Cargo.toml"))
            .parse()
            .unwrap_or_else(|error| panic!("{folder}/Cargo.toml: {error}"));
        let texts: Vec<_> = sources()
            .into_iter()
            .filter(|path| path.starts_with(&format!("{folder}/")))
            .map(|path| read(&path))
            .collect();
        let has_tests = texts
            .iter()
            .any(|text| text.contains("::test]") || text.contains("#[test]"));
        let has_examples = texts.iter().any(|text| has_example(text));
        let is_on = |what: &str| {
            let set = manifest.get("lib").and_then(|lib| lib.get(what));
            set.and_then(toml::Value::as_bool).unwrap_or(true)
        };
        for (what, has) in [("test", has_tests), ("doctest", has_examples)] {
            if is_on(what) != has {
                faults.push(format!(
                    "{folder}/Cargo.toml: [lib] must say {what} = {has}"
                ));
            }
        }
    }
    report(faults);
}

/// Whether a file's documentation contains a block of Rust.
fn has_example(text: &str) -> bool {
    let fences: Vec<_> = text
        .lines()
        .map(str::trim_start)
        .filter(|line| line.starts_with("//!") || line.starts_with("///"))
        .filter_map(|line| line.split_once("```"))
        .map(|(_, language)| language)
        .collect();
    let opening = fences.iter().step_by(2);
    opening.into_iter().any(|language| {
        language.is_empty() || language.starts_with("rust") || language.starts_with("compile_fail")
    })
}
