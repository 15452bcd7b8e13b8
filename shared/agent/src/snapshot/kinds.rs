//! What a file is for, by its path and its first lines.

const GENERATED_NAMES: &[&str] = &[
    "cargo.lock",
    "package-lock.json",
    "npm-shrinkwrap.json",
    "yarn.lock",
    "pnpm-lock.yaml",
    "bun.lock",
    "poetry.lock",
    "uv.lock",
    "pdm.lock",
    "pipfile.lock",
    "composer.lock",
    "gemfile.lock",
    "go.sum",
    "flake.lock",
];
const GENERATED_ENDS: &[&str] = &[
    ".min.js",
    ".min.css",
    ".map",
    ".snap",
    ".pb.go",
    ".pb.rs",
    "_pb2.py",
    "_pb2_grpc.py",
    "_pb2.pyi",
    ".g.dart",
    ".g.cs",
    ".designer.cs",
];
const GENERATED_FOLDERS: &[&str] = &[
    "node_modules",
    "vendor",
    "third_party",
    "dist",
    "__generated__",
];
/// The marks are looked for in this many lines.
const HEAD_LINES: usize = 8;
/// A file whose lines are longer than this on the mean was written by a program.
const LINE_BYTES_MEAN_MAX: usize = 600;
const MINIFIED_BYTES_MIN: usize = 4_096;

/// Whether a program made the file: a lock file, a bundle, or a text that says so in its head.
pub fn is_generated(path: &str, body: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    let name = lower.rsplit('/').next().unwrap_or_default();
    if GENERATED_NAMES.contains(&name)
        || GENERATED_ENDS.iter().any(|end| name.ends_with(end))
        || lower
            .split('/')
            .rev()
            .skip(1)
            .any(|folder| GENERATED_FOLDERS.contains(&folder))
    {
        return true;
    }
    if body.len() > MINIFIED_BYTES_MIN
        && body.len() / body.lines().count().max(1) > LINE_BYTES_MEAN_MAX
    {
        return true;
    }
    body.lines().take(HEAD_LINES).any(|line| {
        let line = line.to_ascii_lowercase();
        line.contains("@generated")
            || (line.contains("generated") && line.contains("do not edit"))
            || line.contains("this file was automatically generated")
    })
}

/// Whether the file is a test or belongs to tests, by its path.
pub fn is_test(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    let mut parts = lower.rsplit('/');
    let name = parts.next().unwrap_or_default();
    let stem = name.split('.').next().unwrap_or_default();
    let folder = |part: &str| {
        matches!(
            part,
            "test"
                | "tests"
                | "testing"
                | "__tests__"
                | "spec"
                | "specs"
                | "testdata"
                | "e2e"
                | "fixtures"
        )
    };
    // `testing` and `fixtures` can be a package of the product; a folder of tests has tests in it.
    let inside = parts.any(|part| folder(part) && part != "testing");
    inside
        || stem.starts_with("test_")
        || stem.ends_with("_test")
        || stem.ends_with("_tests")
        || stem == "tests"
        || stem == "conftest"
        || name.contains(".test.")
        || name.contains(".spec.")
        || path
            .rsplit('/')
            .next()
            .and_then(|name| name.split('.').next())
            .is_some_and(|stem| stem.ends_with("Test") || stem.ends_with("Tests"))
}

/// Files that often hold keys. Their contents are never shown to a model.
pub fn is_secret(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    let name = lower.rsplit('/').next().unwrap_or_default();
    let example = ["example", "sample", "template", "dist"]
        .iter()
        .any(|word| name.ends_with(word));
    (name == ".env" || name.starts_with(".env.")) && !example
        || [".pem", ".key", ".p12", ".pfx", ".jks", ".keystore"]
            .iter()
            .any(|end| name.ends_with(end))
        || ["id_rsa", "id_dsa", "id_ecdsa", "id_ed25519"].contains(&name)
        || [
            ".npmrc",
            ".pypirc",
            ".netrc",
            ".git-credentials",
            ".htpasswd",
        ]
        .contains(&name)
}
