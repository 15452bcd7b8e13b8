//! A small repository whose files each way of asking must find.

use super::*;
use crate::noise::Noise;

fn snapshot() -> Snapshot {
    Snapshot::from_texts([
        (
            "app/http/router.py",
            b"class Router:\n    def match_route(self, path):\n        return path\n".to_vec(),
        ),
        (
            "app/http/server.py",
            b"from app.http.router import Router\nclass Server:\n    pass\n".to_vec(),
        ),
        (
            "app/models/user.py",
            b"class User:\n    def full_name(self):\n        return 'name of the user'\n".to_vec(),
        ),
        (
            "app/cache.py",
            b"def evict():\n    '''drop stale entries'''\n".to_vec(),
        ),
        (
            "tests/test_router.py",
            b"def test_match_route():\n    Router().match_route('/')\n".to_vec(),
        ),
        ("vendor/router.py", b"def match_route(): pass\n".to_vec()),
    ])
    .expect("safe paths")
}

#[test]
fn tracebacks_messages_and_links_point_at_lines() {
    let texts = [
        ("src/a/mod.rs", "1\n2\n3\n"),
        ("src/b/mod.rs", "1\n2\n3\n"),
        ("lib/x.py", "1\n2\n"),
        ("com/acme/App.java", "1\n2\n3\n"),
    ];
    let texts = texts.map(|(path, text)| (path, text.as_bytes().to_vec()));
    let snapshot = Snapshot::from_texts(texts).expect("safe paths");
    for (text, expected) in [
        (
            "  File \"/usr/lib/x.py\", line 2, in f\n    x",
            "lib/x.py:2",
        ),
        ("  --> src/b/mod.rs:3:9", "src/b/mod.rs:3"),
        ("at com.acme.App.main(App.java:3)", "com/acme/App.java:3"),
        (
            "https://host.test/o/n/blob/abc/lib/x.py#L1-L2",
            "lib/x.py:1",
        ),
        ("C:\\work\\lib\\x.py:2", "lib/x.py:2"),
        (
            "mod.rs:1 is one of two, lib/x.py:9 is beyond its end, at 10:30",
            "",
        ),
        ("lib/x.py:1 lib/x.py:2 lib/x.py:1", "lib/x.py:2 lib/x.py:1"),
    ] {
        let found: Vec<String> = places(&snapshot, text)
            .iter()
            .map(|place| format!("{}:{}", place.path, place.line))
            .collect();
        assert_eq!(found.join(" "), expected, "{text}");
    }
}

/// Files in which only the way from one to the other says which is meant.
fn linked() -> Snapshot {
    let texts = [
        (
            "shop/cart.py",
            "from .pricing import round_up\nclass Cart:\n    def total(self):\n        return round_up(self.sum)\n",
        ),
        (
            "shop/pricing.py",
            "def round_up(value):\n    return value\n",
        ),
        ("shop/stock.py", "def reserve(item):\n    return item\n"),
        ("shop/other.py", "def unrelated():\n    pass\n"),
        (
            "tests/test_stock.py",
            "def test_backorder():\n    # a backorder of sold out articles\n    pass\n",
        ),
        ("docs/conf.py", "# backorder articles sold out\n"),
        (
            "web/page.ts",
            "import { shown } from './parts/list';\n// the overview flickers\n",
        ),
        ("web/parts/list.ts", "export function shown() {}\n"),
    ];
    let texts = texts.map(|(path, text)| (path, text.as_bytes().to_vec()));
    Snapshot::from_texts(texts).expect("safe paths")
}

#[test]
fn tests_imports_and_uses_lead_to_files() {
    for (title, path) in [
        ("A backorder of sold out articles fails", "shop/stock.py"),
        ("`Cart.total` is wrong", "shop/pricing.py"),
        ("The overview flickers", "web/parts/list.ts"),
    ] {
        let found = retrieve(&linked(), &Question { title, body: "" }, 2);
        assert!(
            found.iter().any(|found| found.path == path),
            "{title}: {found:?}"
        );
    }
}

#[test]
fn imports_are_read_in_five_languages() {
    use crate::outline::Language::{Go, Java, Python, Rust, TypeScript};
    let paths = [
        "a/b/c.py",
        "a/d.py",
        "w/x.ts",
        "w/y/index.ts",
        "src/m/n.rs",
        "pkg/q/q.go",
        "s/org/t/U.java",
    ]
    .map(str::to_owned);
    let resolver = imports::Resolver::of(&paths);
    for (language, path, text, expected) in [
        (
            Python,
            "a/b/e.py",
            "from .c import (\n  f,\n  g)\nfrom ..d import h",
            "a/b/c.py a/d.py",
        ),
        (Python, "z.py", "import a.b.c, os", "a/b/c.py"),
        (
            TypeScript,
            "w/z.ts",
            "import { v } from './x.js'\nconst y = require('./y');",
            "w/x.ts w/y/index.ts",
        ),
        (Rust, "src/o.rs", "use crate::m::n::P;", "src/m/n.rs"),
        (
            Go,
            "main.go",
            "import (\n\t\"host/me/pkg/q\"\n)",
            "pkg/q/q.go",
        ),
        (Java, "s/V.java", "import org.t.U;", "s/org/t/U.java"),
    ] {
        let found: Vec<&str> = imports::of(language, path, text)
            .iter()
            .flat_map(|import| resolver.files(import, &std::collections::HashMap::new()))
            .map(|file| paths[file].as_str())
            .collect();
        assert_eq!(found.join(" "), expected, "{path}");
    }
}

fn first(title: &str, body: &str) -> Option<String> {
    let found = retrieve(&snapshot(), &Question { title, body }, 3);
    found.into_iter().next().map(|found| found.path)
}

#[test]
fn each_way_of_asking_finds_its_file() {
    for (title, body, path) in [
        ("Stale entries are kept", "drop them", "app/cache.py"),
        (
            "matchRoute is slow",
            "see `match_route`",
            "app/http/router.py",
        ),
        (
            "Crash",
            "  File \"/home/me/app/models/user.py\", line 2, in full_name",
            "app/models/user.py",
        ),
        ("Crash in app.http.server.Server", "", "app/http/server.py"),
        (
            "Look",
            "https://github.com/o/r/blob/abc/app/cache.py#L2",
            "app/cache.py",
        ),
    ] {
        assert_eq!(first(title, body).as_deref(), Some(path), "{title}");
    }
    assert_eq!(first("", ""), None);
}

#[test]
fn any_question_has_an_answer() {
    let parts = [
        "app",
        ".",
        "/",
        "router",
        "\\",
        "File \"",
        "\", line ",
        "é",
        "_",
        "\n",
        "user.py",
        " ",
        "..",
        "A",
    ];
    let mut noise = Noise::new(5);
    let snapshot = snapshot();
    for _ in 0..2_000 {
        let (title, body) = (noise.text(&parts, 10), noise.text(&parts, 40));
        let question = Question {
            title: &title,
            body: &body,
        };
        let found = retrieve(&snapshot, &question, 3);
        assert!(found.len() <= 3 && found.is_sorted_by(|one, other| one.score >= other.score));
        assert_eq!(found, retrieve(&snapshot, &question, 3));
    }
}
