//! Dependencies only point downwards: functions know what they share, what they share knows adapters, adapters know the
//! domain, and the domain knows no crate. One crate is at home with each outside world's SDK. The catalogue is a file that
//! people write; its crate knows the domain only, and code that sells or counts may read it.

use crate::repository::{find, functions, packages, read, report};
use std::collections::BTreeSet;
use toml::{Table, Value};

/// What every function may know.
const SHARED: &[&str] = &["boot", "domain", "flows", "settings"];

/// What else each function may know. What is missing here is what the function can never do.
const FUNCTIONS: &[(&str, &[&str])] = &[
    ("github-webhook", &["queues", "store", "webhooks"]),
    ("stripe-webhook", &["queues", "store", "webhooks"]),
    (
        "github-events",
        &["catalogue", "github-api", "queues", "store", "webhooks"],
    ),
    (
        "stripe-events",
        &["catalogue", "queues", "store", "stripe-api", "webhooks"],
    ),
    (
        "job-steps",
        &[
            "agent",
            "catalogue",
            "github-api",
            "model-api",
            "queues",
            "store",
        ],
    ),
    ("pull-requests", &["github-api", "queues", "store"]),
    (
        "usage-reports",
        &["catalogue", "queues", "store", "stripe-api"],
    ),
    ("notices", &["mail-api", "queues", "store"]),
    ("sweeper", &["queues", "store"]),
    ("provisioning", &["queues", "store", "stripe-api"]),
    (
        "recovery",
        &["github-api", "queues", "store", "stripe-api", "webhooks"],
    ),
    ("reconciliation", &["catalogue", "store"]),
    (
        "admin",
        &[
            "catalogue",
            "pages",
            "queues",
            "rest",
            "store",
            "stripe-api",
        ],
    ),
    (
        "api",
        &[
            "catalogue",
            "pages",
            "queues",
            "rest",
            "store",
            "stripe-api",
        ],
    ),
    (
        "web",
        &[
            "catalogue",
            "github-api",
            "pages",
            "queues",
            "rest",
            "store",
            "stripe-api",
        ],
    ),
];

/// What the crates that functions share may know. An adapter or the catalogue is not listed: it may know the domain only.
const BETWEEN: &[(&str, &[&str])] = &[
    (
        "flows",
        &[
            "boot",
            "catalogue",
            "domain",
            "github-api",
            "mail-api",
            "model-api",
            "queues",
            "store",
            "stripe-api",
            "webhooks",
        ],
    ),
    (
        "settings",
        &[
            "boot",
            "catalogue",
            "domain",
            "github-api",
            "mail-api",
            "model-api",
            "queues",
            "store",
            "stripe-api",
            "webhooks",
        ],
    ),
    ("rest", &["domain"]),
];

/// Vendors' adapters, which `flows` and `settings` may only have behind a feature.
const VENDORS: &[&str] = &["github-api", "mail-api", "model-api", "stripe-api"];

/// Which crates may depend on an SDK. A trailing `*` means a family, [`STAND_INS`] every stand-in: they are the other side of
/// the same protocol. An empty list forbids a crate that duplicates another.
const HOMES: &[(&str, &[&str])] = &[
    ("aws-sdk-dynamodb", &["store", STAND_INS]),
    ("aws-sdk-sqs", &["queues", STAND_INS]),
    ("aws_lambda_events", &["queues", STAND_INS]),
    ("lambda_runtime", &["boot"]),
    ("lambda_http", &["boot"]),
    ("aws-sigv4", &["boot"]),
    ("octocrab", &["github-api"]),
    ("jsonwebtoken", &["github-api", STAND_INS]),
    ("async-stripe*", &["stripe-api"]),
    ("zstd", &["store", "bench"]),
    ("dynoxide-rs", &[STAND_INS]),
    ("rustack-*", &[STAND_INS]),
    ("clap", &["tallyhook"]),
    // Two files that people write: the catalogue and a repository's policy.
    ("toml", &["catalogue", "github-events", "tidy"]),
    ("reqwest", &[]),
    ("openssl*", &[]),
    ("native-tls", &[]),
];
const STAND_INS: &str = "stand-ins";

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

    /// Dependencies of every kind, tests included: a test that needs another adapter is a test in the wrong place.
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

impl Package {
    fn is_stand_in(&self) -> bool {
        self.folder.starts_with("infra/")
    }

    /// Whether a feature has to be asked for before this dependency is built.
    fn is_optional(&self, name: &str) -> bool {
        let spec = self
            .manifest
            .get("dependencies")
            .and_then(|all| all.get(name));
        spec.and_then(|spec| spec.get("optional")?.as_bool()) == Some(true)
    }

    /// The features that it asks a dependency for.
    fn features_of(&self, name: &str) -> Vec<String> {
        let spec = self
            .manifest
            .get("dependencies")
            .and_then(|all| all.get(name));
        let features = spec.and_then(|spec| spec.get("features")?.as_array());
        let features = features.into_iter().flatten();
        features
            .filter_map(|feature| feature.as_str().map(str::to_owned))
            .collect()
    }

    /// The optional dependencies behind a feature of its own.
    fn behind(&self, feature: &str) -> Vec<String> {
        let listed = self
            .manifest
            .get("features")
            .and_then(|all| all.get(feature));
        let listed = listed.and_then(Value::as_array).into_iter().flatten();
        let names = listed.filter_map(Value::as_str);
        names
            .map(|name| name.trim_start_matches("dep:").to_owned())
            .collect()
    }
}

/// The folder of every package, `.` for the root.
pub fn folders() -> Vec<String> {
    let mut found = vec![".".to_owned()];
    for parent in ["functions", "shared", "infra", "infra/stand-ins", "tests"] {
        found.extend(
            packages(parent)
                .iter()
                .map(|name| format!("{parent}/{name}")),
        );
    }
    found
}

/// Everything of ours that a function can use: what it lists, and what the shared crates bring with the features that it asks
/// for.
pub fn known_by(function: &str) -> BTreeSet<String> {
    let package = Package::at(&format!("functions/{function}"));
    let mut known: BTreeSet<_> = package
        .dependencies()
        .map(|(name, _)| name.clone())
        .collect();
    for (between, _) in BETWEEN {
        if known.contains(*between) {
            let shared = Package::at(&format!("shared/{between}"));
            // `settings` can connect every function to its queues; only one with a queue's URL in its settings sends there.
            let always = shared
                .shipped()
                .filter(|name| *between != "settings" || *name != "queues")
                .filter(|name| !shared.is_optional(name));
            known.extend(always.cloned());
            let features = package.features_of(between);
            known.extend(features.iter().flat_map(|feature| shared.behind(feature)));
        }
    }
    known.intersection(&ours()).cloned().collect()
}

fn members() -> Vec<Package> {
    folders().iter().map(|folder| Package::at(folder)).collect()
}

fn in_folder(folder: &str) -> impl Iterator<Item = Package> {
    members()
        .into_iter()
        .filter(move |package| package.folder.starts_with(&format!("{folder}/")))
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
                let folder = package.folder.rsplit('/').next().unwrap_or_default();
                // `github` alone says too little in an import.
                let named = if package.is_stand_in() {
                    package.name == format!("stand-in-{folder}")
                } else {
                    package.name == folder
                };
                package.folder != "." && !named
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
fn functions_know_only_what_they_may() {
    let known: BTreeSet<_> = FUNCTIONS
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .collect();
    let mut faults: Vec<_> = functions()
        .iter()
        .filter(|name| !known.contains(*name))
        .map(|name| format!("functions/{name}: list here which adapters it may know"))
        .collect();
    for (function, allowed) in FUNCTIONS
        .iter()
        .filter(|(name, _)| find(format!("functions/{name}/Cargo.toml")).is_some())
    {
        let forbidden = known_by(function)
            .into_iter()
            .filter(|name| !allowed.contains(&name.as_str()) && !SHARED.contains(&name.as_str()));
        faults.extend(forbidden.map(|name| {
            format!("functions/{function}: must not know {name}, listed or brought by a feature")
        }));
    }
    report(faults);
}

#[test]
fn what_is_shared_points_downwards() {
    let ours = ours();
    let mut faults = Vec::new();
    for package in in_folder("shared") {
        let between = BETWEEN.iter().find(|(name, _)| *name == package.name);
        let may = between.map_or(&["domain"][..], |(_, may)| *may);
        for (name, _) in package
            .dependencies()
            .filter(|(name, _)| ours.contains(*name))
        {
            if package.name == "domain" || !may.contains(&name.as_str()) {
                faults.push(format!(
                    "shared/{}: may know {may:?}, not {name}; let flows or a function join them",
                    package.name
                ));
            } else if between.is_some()
                && VENDORS.contains(&name.as_str())
                && !package.is_optional(name)
            {
                faults.push(format!(
                    "shared/{}: {name} must be optional, behind a feature",
                    package.name
                ));
            }
        }
        if package.name == "domain" {
            faults.extend(package.shipped().map(|name| {
                format!("shared/domain: the domain does no IO and knows no crate, not {name}")
            }));
        }
    }
    report(faults);
}

#[test]
fn stand_ins_know_nothing_of_ours() {
    let members = members();
    let mut faults = Vec::new();
    for package in members.iter().filter(|package| package.is_stand_in()) {
        for (name, _) in package.dependencies() {
            let other = members.iter().find(|other| other.name == *name);
            if other.is_some_and(|other| !other.is_stand_in()) {
                faults.push(format!(
                    "{}: a stand-in that shares code with what it judges proves nothing: {name}",
                    package.folder
                ));
            }
        }
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
                let home = if package.is_stand_in() {
                    STAND_INS
                } else {
                    package.name.as_str()
                };
                if meant && !homes.contains(&home) {
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
fn versions_are_in_the_root() {
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
fn every_package_has_the_same_lints() {
    report(
        members()
            .iter()
            // The benches measure time, which the lints forbid.
            .filter(|package| package.folder != "tests/bench")
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
