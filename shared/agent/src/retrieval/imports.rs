//! Which files a file imports, as far as its lines say so.

use crate::outline::Language;
use std::collections::HashMap;

/// An import that leads to more files than this says little about each.
const FILES_MAX: usize = 4;
const IMPORTS_MAX: usize = 400;

/// An import as it is written: a module's path with `/` between its parts, and the names taken
/// from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// Without the file's extension. A relative one is resolved already.
    module: String,
    names: Vec<String>,
    /// The module is a folder, and its first parts may name a place outside of the repository.
    package: bool,
}

/// The imports of a text.
pub fn of(language: Language, path: &str, body: &str) -> Vec<Import> {
    let mut found = Vec::new();
    match language {
        Language::Python => python(path, body, &mut found),
        Language::TypeScript => type_script(path, body, &mut found),
        Language::Rust | Language::Go | Language::Java => by_words(language, body, &mut found),
    }
    found.truncate(IMPORTS_MAX);
    found
}

fn folder(path: &str, up: usize) -> String {
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.truncate(parts.len().saturating_sub(1 + up));
    parts.join("/")
}

fn joined(folder: &str, rest: &str) -> String {
    match (folder, rest) {
        ("", rest) => rest.to_owned(),
        (folder, "") => folder.to_owned(),
        (folder, rest) => format!("{folder}/{rest}"),
    }
}

fn names(list: &str) -> Vec<String> {
    list.split(',')
        .filter_map(|name| name.split_whitespace().next())
        .map(|name| name.trim_matches(|c: char| !c.is_alphanumeric() && c != '_'))
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

fn python(path: &str, body: &str, found: &mut Vec<Import>) {
    let mut lines = body.lines();
    while let Some(line) = lines.next() {
        let line = line.trim_start();
        if let Some(rest) = line.strip_prefix("import ") {
            for module in rest.split(',') {
                let module = module.split_whitespace().next().unwrap_or_default();
                found.push(Import {
                    module: module.replace('.', "/"),
                    names: Vec::new(),
                    package: false,
                });
            }
        } else if let Some((module, taken)) = line
            .strip_prefix("from ")
            .and_then(|rest| rest.split_once(" import"))
        {
            let mut taken = taken.to_owned();
            // A list in parentheses ends where they close.
            while taken.contains('(') && !taken.contains(')') {
                let Some(more) = lines.next() else { break };
                taken.push_str(more);
            }
            let module = module.trim();
            let dots = module.len() - module.trim_start_matches('.').len();
            let rest = module.trim_start_matches('.').replace('.', "/");
            let module = match dots {
                0 => rest,
                dots => joined(&folder(path, dots - 1), &rest),
            };
            found.push(Import {
                module,
                names: names(&taken),
                package: false,
            });
        }
    }
}

fn type_script(path: &str, body: &str, found: &mut Vec<Import>) {
    for line in body.lines() {
        let quoted = |begin: &str| {
            let (_, rest) = line.split_once(begin)?;
            let quote = rest.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
            rest[1..].split(quote).next()
        };
        let target = quoted(" from ")
            .or_else(|| quoted("import "))
            .or_else(|| quoted("require("))
            .or_else(|| quoted("import("));
        let Some(target) = target else { continue };
        let taken = line
            .split_once('{')
            .and_then(|(_, rest)| rest.split_once('}'));
        let names = taken.map(|(list, _)| names(list)).unwrap_or_default();
        let mut module = target.to_owned();
        if target.starts_with('.') {
            let up = target.matches("../").count();
            let rest = target.trim_start_matches("../").trim_start_matches("./");
            module = joined(&folder(path, up), rest.trim_matches(['.', '/']));
        }
        for end in [".js", ".ts", ".tsx", ".jsx", ".mjs"] {
            if let Some(bare) = module.strip_suffix(end) {
                module = bare.to_owned();
            }
        }
        found.push(Import {
            module,
            names,
            package: false,
        });
    }
}

fn by_words(language: Language, body: &str, found: &mut Vec<Import>) {
    for line in body.lines() {
        let line = line.trim();
        let target = match language {
            Language::Rust => line
                .strip_prefix("pub ")
                .unwrap_or(line)
                .strip_prefix("use ")
                .map(|rest| {
                    rest.trim_start_matches("crate::")
                        .trim_start_matches("super::")
                }),
            Language::Java => line
                .strip_prefix("import ")
                .map(|rest| rest.trim_start_matches("static ")),
            // `"module/package"`, alone on a line of an import list or after `import`.
            _ => line
                .split_once('"')
                .filter(|(before, _)| before.split_whitespace().count() <= 2)
                .and_then(|(_, rest)| rest.strip_suffix('"')),
        };
        let Some(target) = target else { continue };
        let (module, list) = match target.split_once("::{") {
            Some((module, list)) => (module, names(list)),
            None => (target.trim_end_matches(';'), Vec::new()),
        };
        let module = module.replace("::", "/");
        let module = if language == Language::Java {
            module.replace('.', "/")
        } else {
            module
        };
        let names = if list.is_empty() && language != Language::Go {
            module
                .rsplit('/')
                .next()
                .map(str::to_owned)
                .into_iter()
                .collect()
        } else {
            list
        };
        found.push(Import {
            module,
            names,
            package: language == Language::Go,
        });
    }
}

/// Finds the files of imports.
pub struct Resolver<'a> {
    bare: Vec<&'a str>,
    by_stem: HashMap<&'a str, Vec<usize>>,
    by_folder: HashMap<&'a str, Vec<usize>>,
}

impl<'a> Resolver<'a> {
    pub fn of(paths: &'a [String]) -> Self {
        let bare: Vec<&str> = paths.iter().map(|path| bare(path)).collect();
        let mut by_stem: HashMap<&str, Vec<usize>> = HashMap::new();
        for (file, bare) in bare.iter().enumerate() {
            let stem = bare.rsplit('/').next().unwrap_or(bare);
            by_stem.entry(stem).or_default().push(file);
        }
        let mut by_folder: HashMap<&str, Vec<usize>> = HashMap::new();
        for (file, path) in paths.iter().enumerate() {
            let (folder, _) = path.rsplit_once('/').unwrap_or_default();
            by_folder.entry(folder).or_default().push(file);
        }
        Self {
            bare,
            by_stem,
            by_folder,
        }
    }

    /// The files that an import means: modules that it names, and those that declare a name which
    /// it takes from a package.
    pub fn files(&self, import: &Import, declared: &HashMap<String, Vec<usize>>) -> Vec<usize> {
        if import.package {
            return self.package(&import.module);
        }
        let mut found = Vec::new();
        for name in &import.names {
            let inside = self.module(&joined(&import.module, name));
            if inside.is_empty() {
                let by_name = declared.get(name).filter(|files| files.len() <= 2);
                found.extend(by_name.into_iter().flatten());
            } else {
                found.extend(inside);
            }
        }
        found.extend(self.module(&import.module));
        // `a::b::Name` is a name in the module `a::b`.
        if found.is_empty()
            && let Some((module, _)) = import.module.rsplit_once('/')
        {
            found.extend(self.module(module));
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// The files of the folder that the longest end of a path names.
    fn package(&self, path: &str) -> Vec<usize> {
        let ends = path.match_indices('/').map(|(at, _)| &path[at + 1..]);
        let found = std::iter::once(path)
            .chain(ends)
            .find_map(|end| self.by_folder.get(end));
        let found = found.filter(|files| files.len() <= FILES_MAX);
        found.cloned().unwrap_or_default()
    }

    fn module(&self, module: &str) -> Vec<usize> {
        let stem = module.rsplit('/').next().unwrap_or(module);
        let ends = |file: &usize| {
            self.bare[*file]
                .strip_suffix(module)
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
        };
        let same = self.by_stem.get(stem).into_iter().flatten().copied();
        let mut files: Vec<usize> = same.filter(ends).collect();
        if let Some(exact) = files.iter().find(|file| self.bare[**file] == module) {
            files = vec![*exact];
        }
        if files.len() > FILES_MAX {
            files.clear();
        }
        files
    }
}

/// A path without its extension, and without the name of a file that stands for its folder.
pub fn bare(path: &str) -> &str {
    let bare = path.rsplit_once('.').map_or(path, |(bare, _)| bare);
    ["/__init__", "/mod", "/index", "/lib"]
        .iter()
        .find_map(|end| bare.strip_suffix(end))
        .unwrap_or(bare)
}
