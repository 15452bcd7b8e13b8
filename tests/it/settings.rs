//! The settings that functions read, compared with `template.yaml` and `.env.example`.

use local_stack::settings::{by_function, env_example};
use serde_yaml_ng::Value;
use std::collections::BTreeSet;
use std::path::Path;

fn root(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[test]
fn settings_are_what_the_template_sets() {
    let text = std::fs::read_to_string(root("template.yaml")).expect("template.yaml");
    let template: Value = serde_yaml_ng::from_str(&text).expect("template.yaml is YAML");
    let names = |variables: &Value| -> Vec<String> {
        let variables = variables.as_mapping().into_iter().flatten();
        variables
            .filter_map(|(name, _)| name.as_str().map(str::to_owned))
            .collect()
    };
    let globals = &template["Globals"]["Function"]["Environment"]["Variables"];
    let mut faults = Vec::new();
    for (function, settings) in by_function() {
        let properties = &template["Resources"][logical_id(function)]["Properties"];
        let mut set = names(globals);
        set.extend(names(&properties["Environment"]["Variables"]));
        let set: BTreeSet<_> = set.into_iter().collect();
        let read: BTreeSet<_> = settings
            .iter()
            .filter(|setting| setting.in_template)
            .map(|setting| setting.name.to_owned())
            .collect();
        for name in set.difference(&read) {
            faults.push(format!(
                "{function}: template.yaml sets {name}, and it does not read it"
            ));
        }
        for name in read.difference(&set) {
            faults.push(format!(
                "{function}: it reads {name}, and template.yaml does not set it"
            ));
        }
    }
    assert!(faults.is_empty(), "\n  {}\n", faults.join("\n  "));
}

/// `job-steps` → `JobSteps`.
fn logical_id(function: &str) -> String {
    let words = function.split('-');
    words
        .map(|word| word[..1].to_ascii_uppercase() + &word[1..])
        .collect()
}

#[test]
fn a_setting_means_the_same_in_every_function() {
    let mut first = std::collections::BTreeMap::new();
    for (function, settings) in by_function() {
        for setting in settings {
            let (other, known) = *first.entry(setting.name).or_insert((function, setting));
            let same = boot::Setting {
                required: known.required,
                ..setting
            };
            assert_eq!(known, same, "{other} and {function}");
        }
    }
}

#[test]
fn env_example_is_current() {
    let expected = env_example();
    let path = root(".env.example");
    if boot::Env::of_process().find("UPDATE").is_some() {
        std::fs::write(&path, &expected).expect("a writable file");
    }
    let text = std::fs::read_to_string(&path).expect(".env.example");
    assert!(
        text == expected,
        ".env.example is out of date; run `UPDATE=1 cargo test --test it env_example`"
    );
}
