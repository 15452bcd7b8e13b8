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
fn tests_belong_to_sources() {
    assert_eq!(
        tests_of(&snapshot(), "app/http/router.py"),
        ["tests/test_router.py"]
    );
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
