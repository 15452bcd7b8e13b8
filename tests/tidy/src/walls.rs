//! Dependencies only point inwards: doors know walls, walls know the room, the room knows nobody. Every outside world has
//! one crate that knows its SDK. The catalogue is no wall, since it speaks to nobody; a door that sells or counts may read
//! it.

use crate::repository::{doors, find, packages, read, report};
use std::collections::BTreeSet;
use toml::{Table, Value};

/// Which of our crates a door may know. What is missing here is what the door can never do.
const DOORS: &[(&str, &[&str])] = &[
    (
        "github-webhook",
        &["boot", "domain", "queues", "store", "webhooks"],
    ),
    (
        "stripe-webhook",
        &["boot", "domain", "queues", "store", "webhooks"],
    ),
    (
        "github-events",
        &[
            "boot",
            "catalogue",
            "domain",
            "github-api",
            "queues",
            "store",
            "webhooks",
        ],
    ),
    (
        "stripe-events",
        &[
            "boot",
            "catalogue",
            "domain",
            "queues",
            "store",
            "stripe-api",
            "webhooks",
        ],
    ),
    (
        "job-steps",
        &[
            "boot",
            "catalogue",
            "domain",
            "github-api",
            "model-api",
            "queues",
            "store",
        ],
    ),
    (
        "pull-requests",
        &["boot", "domain", "github-api", "queues", "store"],
    ),
    (
        "usage-reports",
        &["boot", "domain", "queues", "store", "stripe-api"],
    ),
    (
        "notices",
        &["boot", "domain", "mail-api", "queues", "store"],
    ),
    ("sweeper", &["boot", "domain", "queues", "store"]),
    (
        "provisioning",
        &["boot", "domain", "queues", "store", "stripe-api"],
    ),
    ("reconciliation", &["boot", "domain", "store"]),
    (
        "admin",
        &["boot", "catalogue", "domain", "queues", "rest", "store"],
    ),
    (
        "api",
        &[
            "boot",
            "catalogue",
            "domain",
            "github-api",
            "queues",
            "rest",
            "store",
            "stripe-api",
        ],
    ),
];

/// Whose SDK is at home where. A trailing `*` stands for a family. The fakes stand on the far side of the same wire, so
/// they may know it too; `nobody` may have what another crate already does.
const HOMES: &[(&str, &[&str])] = &[
    ("aws-sdk-dynamodb", &["store", "fakes"]),
    ("aws-sdk-sqs", &["queues", "fakes"]),
    ("aws_lambda_events", &["queues", "fakes"]),
    ("lambda_runtime", &["boot"]),
    ("lambda_http", &["boot"]),
    ("aws-sigv4", &["boot"]),
    ("octocrab", &["github-api"]),
    ("jsonwebtoken", &["github-api", "fakes"]),
    ("async-stripe*", &["stripe-api"]),
    ("zstd", &["store"]),
    ("dynoxide-rs", &["fakes"]),
    ("rustack-*", &["fakes"]),
    ("clap", &["tallyhook"]),
    // Two files that people write: the catalogue and a repository's policy.
    ("toml", &["catalogue", "github-events", "tidy"]),
    ("reqwest", &[]),
    ("openssl*", &[]),
    ("native-tls", &[]),
];

struct Package {
    name: String,
    folder: String,
    manifest: Table,
}

impl Package {
    fn at(folder: &str) -> Self {
        let path = if folder == "." {
            "Cargo.toml".to_owned()
        } else {
            format!("{folder}/Cargo.toml")
        };
        let manifest: Table = read(&path)
            .parse()
            .unwrap_or_else(|error| panic!("{path}: {error}"));
        let name = manifest["package"]["name"]
            .as_str()
            .expect("a package has a name")
            .to_owned();
        Self {
            name,
            folder: folder.to_owned(),
            manifest,
        }
    }

    /// Dependencies of every kind, tests included: a test that needs another wall is a test in the wrong place.
    fn dependencies(&self) -> impl Iterator<Item = (&String, &Value)> {
        ["dependencies", "dev-dependencies", "build-dependencies"]
            .into_iter()
            .filter_map(|kind| self.manifest.get(kind)?.as_table())
            .flatten()
    }

    fn shipped(&self) -> impl Iterator<Item = &String> {
        self.manifest
            .get("dependencies")
            .and_then(Value::as_table)
            .into_iter()
            .flat_map(Table::keys)
    }
}

fn in_folder(folder: &str) -> impl Iterator<Item = Package> {
    packages(folder)
        .into_iter()
        .map(move |name| Package::at(&format!("{folder}/{name}")))
}

fn members() -> Vec<Package> {
    let single = [".", "infra/fakes", "tests/tidy"]
        .into_iter()
        .map(Package::at);
    in_folder("functions")
        .chain(in_folder("shared"))
        .chain(single)
        .collect()
}

fn ours() -> BTreeSet<String> {
    members().into_iter().map(|package| package.name).collect()
}

#[test]
fn a_package_is_called_like_its_folder() {
    report(
        members()
            .iter()
            .filter(|package| {
                package.folder != "." && !package.folder.ends_with(&format!("/{}", package.name))
            })
            .map(|package| {
                format!(
                    "{}: rename its package {} or the folder",
                    package.folder, package.name
                )
            })
            .collect(),
    );
}

#[test]
fn doors_know_only_their_walls() {
    let ours = ours();
    let known: BTreeSet<_> = DOORS.iter().map(|(door, _)| (*door).to_owned()).collect();
    let mut faults: Vec<_> = doors()
        .iter()
        .filter(|door| !known.contains(*door))
        .map(|door| format!("{door}: say here which walls it may know"))
        .collect();
    for (door, allowed) in DOORS
        .iter()
        .filter(|(door, _)| find(format!("functions/{door}/Cargo.toml")).is_some())
    {
        let package = Package::at(&format!("functions/{door}"));
        for (name, _) in package.dependencies() {
            if ours.contains(name) && !allowed.contains(&name.as_str()) {
                faults.push(format!("{door}: must never know {name}"));
            }
        }
    }
    report(faults);
}

#[test]
fn walls_know_only_the_room_and_the_room_nobody() {
    let ours = ours();
    let mut faults = Vec::new();
    for package in in_folder("shared") {
        for (name, _) in package
            .dependencies()
            .filter(|(name, _)| ours.contains(*name))
        {
            if package.name == "domain" || name != "domain" {
                faults.push(format!(
                    "shared/{}: knows only the room, not {name}; let a door join them",
                    package.name
                ));
            }
        }
        if package.name == "domain" {
            faults.extend(package.shipped().map(|name| {
                format!("shared/domain: the room does no IO and knows no crate, not {name}")
            }));
        }
    }
    for (name, _) in Package::at("infra/fakes")
        .dependencies()
        .filter(|(name, _)| ours.contains(*name))
    {
        faults.push(format!(
            "infra/fakes: a fake that shares code with what it judges proves nothing: {name}"
        ));
    }
    report(faults);
}

#[test]
fn every_sdk_has_one_home() {
    let mut faults = Vec::new();
    for package in members() {
        for (name, _) in package.dependencies() {
            for (sdk, homes) in HOMES {
                let meant = sdk
                    .strip_suffix('*')
                    .map_or(name == sdk, |family| name.starts_with(family));
                if meant && !homes.contains(&package.name.as_str()) {
                    faults.push(format!(
                        "{}/Cargo.toml: {name} is for {homes:?} only",
                        package.folder
                    ));
                }
            }
        }
    }
    report(faults);
}

#[test]
fn versions_stand_in_the_root() {
    let mut faults = Vec::new();
    for package in members() {
        for (name, spec) in package.dependencies() {
            if spec.get("workspace").and_then(Value::as_bool) != Some(true) {
                faults.push(format!(
                    "{}/Cargo.toml: write {name}.workspace = true, and the version in the root",
                    package.folder
                ));
            }
        }
    }
    let versions = Package::at(".").manifest["workspace"]["dependencies"].clone();
    for (name, spec) in versions.as_table().expect("a table of versions") {
        if spec.get("git").is_some() {
            faults.push(format!(
                "Cargo.toml: {name} comes from git; a release has a version"
            ));
        }
    }
    report(faults);
}

#[test]
fn everybody_is_under_the_same_lints() {
    report(
        members()
            .iter()
            .filter(|package| {
                package
                    .manifest
                    .get("lints")
                    .and_then(|lints| lints.get("workspace")?.as_bool())
                    != Some(true)
            })
            .map(|package| {
                format!(
                    "{}/Cargo.toml: add [lints] workspace = true",
                    package.folder
                )
            })
            .collect(),
    );
}
