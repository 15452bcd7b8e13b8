//! What the tools show and change, and what they refuse.

use super::*;
use crate::noise::Noise;

fn base(texts: &[(&'static str, &str)]) -> Snapshot {
    let texts = texts
        .iter()
        .map(|(path, text)| (*path, text.as_bytes().to_vec()));
    Snapshot::from_texts(texts).expect("safe paths")
}

fn content(workspace: &Workspace<'_>, path: &str) -> String {
    let (_, text) = workspace.text(path).expect(path);
    String::from_utf8(text.encode().expect(path)).expect(path)
}

#[test]
fn only_what_was_shown_changes() {
    let snapshot = base(&[("a.py", "one = 1\ntwo = 2\nthree = 3\n")]);
    let mut workspace = Workspace::new(&snapshot);
    let unread = workspace.edit("a.py", "two = 2", "two = 4");
    assert!(matches!(
        unread,
        Err(ToolError::NotShown {
            lines: Range { start: 1, end: 2 },
            ..
        })
    ));
    workspace.read("a.py", 2, 2).expect("a line");
    workspace
        .edit("a.py", "two = 2\n", "two = 4\nmore = 5\n")
        .expect("shown");
    workspace
        .edit("a.py", "more = 5", "more = 6")
        .expect("written by the caller");
    assert!(
        workspace.edit("a.py", "three = 3", "x = 3").is_err(),
        "never shown"
    );
    assert!(
        workspace.edit("a.py", "one = 1", "x = 3").is_err(),
        "never shown"
    );
    assert_eq!(
        content(&workspace, "a.py"),
        "one = 1\ntwo = 4\nmore = 6\nthree = 3\n"
    );
    assert_eq!(
        workspace.diff(),
        "--- a/a.py\n+++ b/a.py\n@@ -1,3 +1,4 @@\n one = 1\n-two = 2\n+two = 4\n+more = 6\n three = 3\n"
    );
}

#[test]
fn a_place_is_unique_or_named() {
    let snapshot = base(&[("a.txt", "x\ny\nx\nz  \nend")]);
    let mut workspace = Workspace::new(&snapshot);
    workspace.read("a.txt", 1, 99).expect("all");
    let mut edit = |old, new| {
        workspace
            .edit("a.txt", old, new)
            .map_err(|error| error.to_string())
    };
    assert!(edit("x", "w").unwrap_err().contains("lines 1, 3"));
    assert!(edit("z\nfin", "w").unwrap_err().contains("line 4"));
    assert!(edit("nothing", "w").unwrap_err().contains("neither"));
    assert!(edit("\n", "w").is_err() && edit("y", "y").is_err());
    edit("x\nz\n", "q\n").expect("blanks at the end of a line");
    edit("q\r\nend", "q\nfin").expect("other line endings");
    assert_eq!(content(&workspace, "a.txt"), "x\ny\nq\nfin");
}

#[test]
fn endings_and_encodings_stay() {
    let snapshot = Snapshot::from_texts([
        ("a.cs", b"\xEF\xBB\xBFone\r\ntwo\r\n".to_vec()),
        ("old.txt", b"caf\xE9 one\n".to_vec()),
    ])
    .expect("safe paths");
    let mut workspace = Workspace::new(&snapshot);
    workspace.read("a.cs", 1, 9).expect("lines");
    workspace
        .edit("a.cs", "one\ntwo\n", "one\nmore\n")
        .expect("lines");
    workspace.edit("a.cs", "more", "more\nlast").expect("lines");
    workspace.read("old.txt", 1, 9).expect("lines");
    let euro = workspace.edit("old.txt", "one", "\u{20AC}");
    assert!(matches!(euro, Err(ToolError::Encoding(_))));
    workspace.edit("old.txt", "one", "two").expect("ASCII");
    let changed = workspace.changed().expect("files");
    let bytes: Vec<_> = changed
        .iter()
        .filter_map(|file| file.content.as_deref())
        .collect();
    assert_eq!(
        bytes,
        [
            b"\xEF\xBB\xBFone\r\nmore\r\nlast\r\n".as_slice(),
            b"caf\xE9 two\n"
        ]
    );
}

#[test]
fn syntax_does_not_break_and_paths_are_guarded() {
    let snapshot = base(&[
        ("a.py", "def f(x):\n    return (x)\n"),
        ("broken.py", "f((\n"),
        (".env", "KEY=1\n"),
        (".github/workflows/ci.yml", "on: push\n"),
    ]);
    let mut workspace = Workspace::new(&snapshot);
    workspace.read("a.py", 1, 9).expect("lines");
    let broken = workspace.edit("a.py", "(x)\n", "(x\n");
    assert!(matches!(broken, Err(ToolError::Edit(EditError::Breaks(_)))));
    assert!(workspace.write("new.py", "x = (").is_err());
    workspace.read("broken.py", 1, 9).expect("lines");
    workspace
        .edit("broken.py", "f((", "f((1")
        .expect("broken before");
    assert!(workspace.read(".env", 1, 1).is_err());
    let ci = ".github/workflows/ci.yml";
    workspace.read(ci, 1, 1).expect("readable");
    for path in [
        ci,
        ".GitHub/x",
        "../x",
        ".git/config",
        "a.py/b",
        ".tallyhook.toml",
        "k.pem",
        "",
    ] {
        assert!(workspace.write(path, "x").is_err(), "{path}");
    }
    assert!(
        workspace.write("broken.py", "x = 1\n").is_ok(),
        "read whole"
    );
    workspace.delete("a.py").expect("read whole");
    assert!(workspace.read("a.py", 1, 1).is_err());
    workspace.write("a.py", "x = 1\n").expect("a new file");
    workspace.write("lib/b.py", "y = 1\n").expect("a new file");
    let changed = workspace.changed().expect("files");
    let paths: Vec<_> = changed.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["a.py", "broken.py", "lib/b.py"]);
}

#[test]
fn answers_are_bounded_and_say_so() {
    let long = "a = 1\n".repeat(1_000);
    let wide = format!("{}\n", "w".repeat(30_000));
    let snapshot = base(&[("d/a.py", &long), ("d/e/w.txt", &wide)]);
    let mut workspace = Workspace::new(&snapshot);
    let page = workspace.read("d/a.py", 1, 1_000).expect("a page");
    assert!(page.ends_with("(1000 lines in all)\n") && page.lines().count() == 401);
    assert!(workspace.read("d/a.py", 1_001, 1_002).is_err());
    assert!(workspace.read("d/e/w.txt", 1, 1).expect("cut").len() < 25 << 10);
    assert!(
        workspace.delete("d/e/w.txt").is_err(),
        "cut off is not shown"
    );
}

/// Whatever is asked, a file changes only at its one place, and unchanged lines keep their bytes.
#[test]
fn no_edit_lands_in_a_wrong_place() {
    let parts = ["a", "b", "\n", "\r\n", " ", "(", ")", "é", "\t", "ab\n"];
    let mut noise = Noise::new(9);
    for _ in 0..10_000 {
        let text = noise.text(&parts, 12);
        let snapshot = base(&[("f.txt", &text)]);
        let mut workspace = Workspace::new(&snapshot);
        let _ = workspace.read("f.txt", 1, 1 + noise.below(6));
        let (old, new) = (noise.text(&parts, 4), noise.text(&parts, 4));
        if workspace.edit("f.txt", &old, &new).is_ok() {
            let squeezed = |text: &str| {
                text.split('\n')
                    .map(str::trim_end)
                    .collect::<Vec<_>>()
                    .join("\n")
            };
            let after = content(&workspace, "f.txt");
            let (text, old, new) = (squeezed(&text), squeezed(&old), squeezed(&new));
            let size = |text: &str| i64::try_from(text.matches(['a', 'b']).count()).expect("few");
            assert_eq!(
                size(&after) - size(&text),
                size(&new) - size(&old),
                "{text:?} {old:?}"
            );
        } else {
            assert_eq!(content(&workspace, "f.txt"), text);
        }
    }
}
