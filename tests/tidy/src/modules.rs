//! The modules of each crate as files, and the two rules about them: every Rust file belongs to a crate, and the files of a
//! crate do not import each other in large circles.

use crate::repository::{find, names, read, report, root, shipped, sources};
use std::collections::{BTreeMap, BTreeSet};
use toml::{Table, Value};

/// The most files that may import each other in a circle.
const CIRCLE_MAX: usize = 3;

/// A module's path below its crate: `["jobs", "leases"]`.
type Module = Vec<String>;

/// The modules of one crate, by the file that it begins with.
struct Crate {
    files: BTreeMap<Module, String>,
}

/// Where `mod name;` in this file leads, unless an attribute says otherwise.
fn children_of(file: &str, is_root: bool) -> String {
    let (folder, name) = file.rsplit_once('/').unwrap_or(("", file));
    if is_root || name == "mod.rs" {
        folder.to_owned()
    } else {
        format!("{folder}/{}", name.trim_end_matches(".rs"))
    }
}

/// `pub(crate) mod name;` → `name`.
fn declared(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let line = match line.strip_prefix("pub") {
        Some(rest) if rest.starts_with('(') => rest.split_once(") ")?.1,
        Some(rest) => rest.strip_prefix(' ')?,
        None => line,
    };
    let name = line.strip_prefix("mod ")?.strip_suffix(';')?;
    name.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        .then_some(name)
}

/// The modules that a file declares, each with the path that an attribute gives it.
fn declarations(text: &str) -> Vec<(String, Option<String>)> {
    let mut path = None;
    let mut found = Vec::new();
    for line in text.lines() {
        let line = line.trim();
        if let Some(name) = declared(line) {
            found.push((name.to_owned(), path.take()));
        } else if let Some(rest) = line.strip_prefix("#[path = \"") {
            path = rest.split('"').next().map(str::to_owned);
        } else if !line.starts_with("#[") {
            path = None;
        }
    }
    found
}

impl Crate {
    fn at(root: &str) -> Self {
        let mut this = Self {
            files: BTreeMap::new(),
        };
        this.add(Vec::new(), root);
        this
    }

    fn add(&mut self, module: Module, file: &str) {
        let Some(text) = find(file) else { return };
        let folder = children_of(file, module.is_empty());
        for (name, path) in declarations(&text) {
            let beside = file.rsplit_once('/').map_or("", |(folder, _)| folder);
            let places = match path {
                Some(path) => vec![format!("{beside}/{path}")],
                None => vec![
                    format!("{folder}/{name}.rs"),
                    format!("{folder}/{name}/mod.rs"),
                ],
            };
            let place = places.into_iter().find(|place| find(place).is_some());
            if let Some(place) = place {
                self.add([&module[..], &[name]].concat(), &place);
            }
        }
        self.files.insert(module, file.to_owned());
    }

    /// The file behind a path: of its longest beginning that is a module, and through what that module passes on.
    fn resolve(&self, path: &[String], depth: usize) -> Option<&String> {
        let at = (0..=path.len())
            .rev()
            .find(|at| self.files.contains_key(&path[..*at]))?;
        let file = &self.files[&path[..at]];
        let passed = path
            .get(at)
            .filter(|_| depth < 8)
            .and_then(|name| self.passed_on(&path[..at], file, name));
        passed
            .and_then(|passed| self.resolve(&passed, depth + 1))
            .or(Some(file))
    }

    /// Where a `pub use` of this module takes the name from.
    fn passed_on(&self, module: &[String], file: &str, name: &str) -> Option<Module> {
        let text = read(file);
        let paths = imports(&code(&text), "pub use ");
        let path = paths
            .into_iter()
            .find(|path| path.last().is_some_and(|last| last == name))?;
        let relative = self.absolute(module, &path);
        relative.or_else(|| {
            let child = [module, &path[..]].concat();
            self.files
                .contains_key(&child[..=module.len()])
                .then_some(child)
        })
    }

    /// A path that begins with `crate`, `self` or `super`, from the crate's root.
    fn absolute(&self, module: &[String], path: &[String]) -> Option<Module> {
        let mut base = match path.first()?.as_str() {
            "crate" => Vec::new(),
            "self" | "super" => module.to_vec(),
            _ => return None,
        };
        let mut rest = &path[1..];
        if path[0] == "super" {
            base.pop();
        }
        while rest.first().is_some_and(|first| first == "super") {
            base.pop();
            rest = &rest[1..];
        }
        Some([base, rest.to_vec()].concat())
    }

    /// Which files each file imports.
    fn arrows(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut arrows = BTreeMap::new();
        for (module, file) in &self.files {
            let text = code(shipped(&read(file)));
            let paths = ["crate::", "super::"]
                .into_iter()
                .flat_map(|start| imports(&text, start));
            let files = paths
                .filter_map(|path| self.resolve(&self.absolute(module, &path)?, 0))
                .filter(|other| *other != file);
            arrows.insert(file.clone(), files.cloned().collect());
        }
        arrows
    }
}

/// A text without its comments.
fn code(text: &str) -> String {
    let lines = text
        .lines()
        .map(|line| line.split_once("//").map_or(line, |(code, _)| code));
    lines.collect::<Vec<_>>().join("\n")
}

/// Every path behind a beginning, groups in braces taken apart: `crate::a::{b, c::d}` are `crate::a::b` and `crate::a::c::d`.
/// The beginning belongs to the path if it is one.
fn imports(text: &str, start: &str) -> Vec<Module> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices(start) {
        let before = text[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
            continue;
        }
        let at = if start.ends_with("::") {
            at
        } else {
            at + start.len()
        };
        expand(&mut text[at..].chars().peekable(), &[], &mut found);
    }
    found
}

/// Reads one path, and all that a group in braces makes of it.
fn expand(
    text: &mut std::iter::Peekable<std::str::Chars<'_>>,
    before: &[String],
    found: &mut Vec<Module>,
) {
    let mut path = before.to_vec();
    loop {
        while text.next_if(|c| c.is_whitespace()).is_some() {}
        let mut word = String::new();
        while let Some(c) = text.next_if(|c| c.is_alphanumeric() || *c == '_') {
            word.push(c);
        }
        let is_group_itself = word == "self" && path.len() > before.len();
        if !word.is_empty() && !is_group_itself {
            path.push(word);
        }
        if text.next_if_eq(&':').is_some() {
            if text.next_if_eq(&':').is_none() {
                break;
            }
        } else if text.next_if_eq(&'{').is_some() {
            loop {
                expand(text, &path, found);
                while text.next_if(|c| c.is_whitespace() || *c == ',').is_some() {}
                match text.peek() {
                    None => return,
                    Some('}') => {
                        text.next();
                        return;
                    }
                    Some(c) if c.is_alphanumeric() || *c == '_' => {}
                    // Code that is no import, such as a block behind a path.
                    Some(_) => return,
                }
            }
        } else {
            break;
        }
    }
    // `Name as Other` is still `Name`.
    while text.next_if(|c| *c == ' ').is_some() {}
    if text.peek() == Some(&'a') {
        let rest: String = text.clone().take(3).collect();
        if rest == "as " {
            for _ in 0..3 {
                text.next();
            }
            while text.next_if(|c| c.is_alphanumeric() || *c == '_').is_some() {}
        }
    }
    if !path.is_empty() {
        found.push(path);
    }
}

/// The files from which a crate begins, of every package.
fn roots() -> Vec<String> {
    let mut found = Vec::new();
    for folder in crate::dependencies::folders() {
        let manifest: Table = read(format!("{folder}/Cargo.toml"))
            .parse()
            .expect("a manifest is TOML");
        let at = |file: &str| {
            if folder == "." {
                file.to_owned()
            } else {
                format!("{folder}/{file}")
            }
        };
        found.extend(["src/lib.rs", "src/main.rs", "build.rs"].map(at));
        if folder != "." {
            for place in ["src/bin", "tests", "benches", "examples"] {
                let files = names(at(place)).into_iter();
                let files = files.filter(|name| name.ends_with(".rs"));
                found.extend(files.map(|name| at(&format!("{place}/{name}"))));
            }
        }
        let targets = ["lib", "bin", "test", "bench", "example"]
            .into_iter()
            .filter_map(|kind| manifest.get(kind));
        let targets = targets.flat_map(|target| match target {
            Value::Array(many) => many.iter().collect(),
            one => vec![one],
        });
        found.extend(
            targets
                .filter_map(|target| target.get("path")?.as_str())
                .map(at),
        );
    }
    found.retain(|path| root().join(path).is_file());
    found.sort();
    found.dedup();
    found
}

#[test]
fn every_file_is_compiled() {
    let compiled: BTreeSet<_> = roots()
        .iter()
        .flat_map(|root| Crate::at(root).files.into_values())
        .collect();
    let idle = |path: &String| !compiled.contains(path);
    report(
        sources()
            .into_iter()
            .filter(idle)
            .map(|path| format!("{path}: no crate has a `mod` for it; add one or delete the file"))
            .collect(),
    );
}

/// Groups of at least two files in which each imports every other, directly or through others.
fn circles(arrows: &BTreeMap<String, BTreeSet<String>>) -> Vec<BTreeSet<String>> {
    let mut reached: BTreeMap<&String, BTreeSet<&String>> = BTreeMap::new();
    for start in arrows.keys() {
        let mut seen = BTreeSet::new();
        let mut open: Vec<_> = arrows[start].iter().collect();
        while let Some(file) = open.pop() {
            if seen.insert(file) {
                open.extend(arrows.get(file).into_iter().flatten());
            }
        }
        reached.insert(start, seen);
    }
    let mut found = BTreeSet::new();
    for (file, seen) in &reached {
        let group: BTreeSet<String> = seen
            .iter()
            .filter(|other| reached.get(*other).is_some_and(|back| back.contains(file)))
            .map(|other| (*other).clone())
            .chain([(*file).clone()])
            .collect();
        if group.len() > 1 {
            found.insert(group);
        }
    }
    found.into_iter().collect()
}

/// Files that import each other can only be read together.
#[test]
fn files_do_not_import_each_other_in_large_circles() {
    let mut faults = Vec::new();
    for root in roots() {
        for circle in circles(&Crate::at(&root).arrows()) {
            if circle.len() > CIRCLE_MAX {
                let files: Vec<_> = circle.iter().map(String::as_str).collect();
                faults.push(format!(
                    "{root}: {} files import each other in a circle, more than {CIRCLE_MAX}: {}",
                    files.len(),
                    files.join(" ")
                ));
            }
        }
    }
    report(faults);
}

#[test]
fn paths_in_groups_are_taken_apart() {
    let paths = |text: &str, start: &str| -> Vec<String> {
        let found = imports(text, start);
        found.iter().map(|path| path.join("::")).collect()
    };
    assert_eq!(
        paths("use crate::a::{self, b, c::{D as E, f}};", "crate::"),
        [
            "crate::a::self",
            "crate::a::b",
            "crate::a::c::D",
            "crate::a::c::f"
        ]
    );
    assert_eq!(paths("let x = super::y(1);", "super::"), ["super::y"]);
    assert_eq!(
        paths("pub use jobs::Job;\npub use x::y;", "pub use "),
        ["jobs::Job", "x::y"]
    );
    assert_eq!(paths("supercrate::x", "crate::"), [""; 0]);
}

#[test]
fn a_module_s_file_is_found() {
    assert_eq!(declared("pub(crate) mod tests;"), Some("tests"));
    assert_eq!(declared("    mod tests {"), None);
    assert_eq!(
        declarations("#[path = \"x/y.rs\"]\nmod z;\nmod w;"),
        [
            ("z".to_owned(), Some("x/y.rs".to_owned())),
            ("w".to_owned(), None)
        ]
    );
    assert_eq!(children_of("a/src/lib.rs", true), "a/src");
    assert_eq!(children_of("a/src/jobs.rs", false), "a/src/jobs");
}

#[test]
fn a_circle_is_found_whole() {
    let arrows = |pairs: &[(&str, &[&str])]| -> BTreeMap<String, BTreeSet<String>> {
        pairs
            .iter()
            .map(|(from, to)| {
                let to = to.iter().map(|to| (*to).to_owned()).collect();
                ((*from).to_owned(), to)
            })
            .collect()
    };
    let found = circles(&arrows(&[
        ("a", &["b"]),
        ("b", &["c", "e"]),
        ("c", &["d"]),
        ("d", &["a"]),
        ("e", &["f"]),
        ("f", &["e"]),
        ("g", &["a"]),
    ]));
    let found: Vec<_> = found
        .iter()
        .map(|circle| {
            circle
                .iter()
                .map(String::as_str)
                .collect::<Vec<_>>()
                .concat()
        })
        .collect();
    assert_eq!(found, ["abcd", "ef"]);
    assert_eq!(
        circles(&arrows(&[("a", &["b"]), ("b", &["c"]), ("c", &[])])).len(),
        0
    );
}
