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
        ("tox.ini", b"x\n".to_vec()),
    ])
    .expect("safe paths")
}

fn rules(repair: bool) -> Rules {
    Rules {
        repair,
        files_max: 3,
        bytes_max: 2_000,
    }
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

fn words(changes: &[Changed], repair: bool) -> Vec<&'static str> {
    let found = lint(&base(), changes, &rules(repair));
    found.iter().map(|finding| finding.rule.as_str()).collect()
}

#[test]
fn each_rule_has_a_change_that_breaks_it() {
    let key = format!("K = 'ghp_{}'\n", "a1".repeat(18));
    for (change, rule) in [
        (
            changed(".github/workflows/ci.yml", "on: push\n"),
            "privileged",
        ),
        (changed("docs/CODEOWNERS", "* @me\n"), "privileged"),
        (changed("big.txt", &"x".repeat(2_001)), "too-many-bytes"),
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
        assert_eq!(
            words(std::slice::from_ref(&change), false),
            [rule],
            "{change:?}"
        );
    }
    let many: Vec<_> = ["a", "b", "c", "d"]
        .map(|path| changed(path, "x\n"))
        .to_vec();
    assert_eq!(words(&many, false), ["too-many-files"]);
    let finding = &lint(&base(), &[changed("src/a.py", &key)], &rules(false))[0];
    assert_eq!(
        finding.to_string(),
        "`src/a.py` line 1 secret: Remove the key; read it from the environment."
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
        for repair in [true, false] {
            assert_eq!(
                words(&[changed("tests/test_a.py", content)], repair),
                [rule],
                "{content}"
            );
        }
    }
    assert_eq!(words(&[deleted("tests/test_a.py")], true), ["test-deleted"]);
    assert_eq!(
        words(&[deleted("tests/test_a.py")], false),
        ["fewer-tests", "fewer-assertions"]
    );
    assert_eq!(
        words(&[changed("src/lib.rs", "fn a() {}\n")], true),
        ["fewer-tests"]
    );
    assert_eq!(
        words(&[changed("tox.ini", "y\n")], true),
        ["check-settings"]
    );
}

#[test]
fn honest_changes_pass() {
    let more = format!("{TEST}\ndef test_c():\n    assert f(3) == 4\n");
    let moved = [
        deleted("tests/test_a.py"),
        changed("tests/test_new.py", TEST),
    ];
    assert_eq!(words(&moved, false), [""; 0]);
    for repair in [true, false] {
        for change in [
            changed("src/a.py", "def f(x):\n    return x + 1\n"),
            changed("tests/test_a.py", &more),
            changed("tests/test_a.py", &TEST.replace("== 2", "== 1")),
            changed("docs/new.md", "see ghp_ and <<<<<<<\n"),
        ] {
            assert_eq!(
                words(std::slice::from_ref(&change), repair),
                [""; 0],
                "{change:?}"
            );
        }
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
        for finding in lint(&base, &[change], &rules(noise.below(2) == 0)) {
            assert!(!finding.to_string().is_empty());
        }
    }
}
