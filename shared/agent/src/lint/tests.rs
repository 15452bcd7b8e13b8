//! One change for each rule, and honest changes that no rule minds.

use super::*;
use crate::noise::Noise;
use crate::snapshot::Mode;

const TEST: &str = "def test_a():\n    assert f(1) == 2\n\ndef test_b():\n    assert f(2) == 3\n";

fn base() -> Snapshot {
    Snapshot::from_texts([
        ("src/a.py", b"def f(x):\n    return x\n".to_vec()),
        ("src/lib.rs", b"fn a() {}\n#[test]\nfn b() {}\n".to_vec()),
        ("tests/test_a.py", TEST.as_bytes().to_vec()),
        ("go.sum", b"x\n".to_vec()),
    ])
    .expect("safe paths")
}

fn changed(path: &str, content: &str) -> Changed {
    Changed {
        path: path.to_owned(),
        mode: Mode::Regular,
        content: Some(content.as_bytes().to_vec()),
    }
}

fn deleted(path: &str) -> Changed {
    Changed {
        content: None,
        ..changed(path, "")
    }
}

fn words(changes: &[Changed]) -> Vec<&'static str> {
    let found = lint(&base(), changes);
    found.iter().map(|finding| finding.rule.as_str()).collect()
}

#[test]
fn each_rule_has_a_change_that_breaks_it() {
    let key = format!("K = 'ghp_{}'\n", "a1".repeat(18));
    for (change, rule) in [
        (changed("src/a.py", "def f(x:\n"), "syntax"),
        (changed("src/a.py", "<<<<<<< ours\n"), "conflict-marker"),
        (changed("src/a.py.orig", "x\n"), "debris"),
        (changed("src/a.py", &key), "secret"),
        (
            changed("k.txt", "-----BEGIN RSA PRIVATE KEY-----\n"),
            "secret",
        ),
        (changed("go.sum", "y\n"), "generated"),
        (
            changed("src/a.py", "def f(x):   \n\n    return x\n"),
            "whitespace",
        ),
        (
            Changed {
                mode: Mode::Executable,
                ..changed("src/a.py", "x = 1\n")
            },
            "mode",
        ),
    ] {
        let found = words(std::slice::from_ref(&change));
        assert_eq!(found, [rule], "{change:?}");
    }
    let finding = &lint(&base(), &[changed("src/a.py", &key)])[0];
    assert_eq!(
        (finding.path.as_str(), finding.to_string().as_str()),
        (
            "src/a.py",
            "line 1, secret: Remove the key; read it from the environment."
        )
    );
}

#[test]
fn tests_are_not_weakened_to_get_green() {
    for (content, rule) in [
        (
            "def test_a():\n    assert f(1) == 2\n    assert f(2) == 3\n",
            "fewer-tests",
        ),
        (
            "def test_a():\n    f(1)\n\ndef test_b():\n    assert f(2) == 3\n",
            "fewer-assertions",
        ),
        (
            "def test_a():\n    # assert f(1) == 2\n    f(1)\n\ndef test_b():\n    assert f(2) == 3\n",
            "fewer-assertions",
        ),
        (
            &TEST.replace("def test_b", "@pytest.mark.skip\ndef test_b"),
            "test-skipped",
        ),
        (
            &TEST.replace("def test_b", "@pytest.mark.xfail\ndef test_b"),
            "test-skipped",
        ),
    ] {
        let found = words(&[changed("tests/test_a.py", content)]);
        assert_eq!(found, [rule], "{content}");
    }
    assert_eq!(
        words(&[deleted("tests/test_a.py")]),
        ["fewer-tests", "fewer-assertions"]
    );
    assert_eq!(
        words(&[changed("src/lib.rs", "fn a() {}\n")]),
        ["fewer-tests"]
    );
}

#[test]
fn honest_changes_pass() {
    let more = format!("{TEST}\ndef test_c():\n    assert f(3) == 4\n");
    let moved = [
        deleted("tests/test_a.py"),
        changed("tests/test_new.py", TEST),
    ];
    assert_eq!(words(&moved), [""; 0]);
    for change in [
        changed("src/a.py", "def f(x):\n    return x + 1\n"),
        changed("tests/test_a.py", &more),
        changed("tests/test_a.py", &TEST.replace("== 2", "== 1")),
        changed("docs/new.md", "see ghp_ and <<<<<<<\n"),
    ] {
        let found = words(std::slice::from_ref(&change));
        assert_eq!(found, [""; 0], "{change:?}");
    }
}

#[test]
fn any_change_has_findings_or_none() {
    let mut noise = Noise::new(13);
    let base = base();
    for _ in 0..3_000 {
        let content = noise.bytes(60);
        let path = *noise.pick(&[
            "src/a.py",
            "src/lib.rs",
            "x.ts",
            "go.sum",
            "é",
            "tests/a.go",
        ]);
        let change = Changed {
            path: path.to_owned(),
            mode: Mode::Regular,
            content: Some(content),
        };
        for finding in lint(&base, &[change]) {
            assert!(!finding.to_string().is_empty());
        }
    }
}
