//! Archives as git writes them, archives that nobody should open, and random bytes.

use super::*;
use crate::noise::Noise;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

fn header(path: &str, kind: u8, size: usize, mode: usize, target: &str) -> [u8; 512] {
    let mut header = [0; 512];
    header[..path.len()].copy_from_slice(path.as_bytes());
    header[100..107].copy_from_slice(format!("{mode:07o}").as_bytes());
    header[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
    header[156] = kind;
    header[157..157 + target.len()].copy_from_slice(target.as_bytes());
    header[257..262].copy_from_slice(b"ustar");
    header[148..156].fill(b' ');
    let sum: usize = header.iter().map(|byte| usize::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

#[derive(Default)]
struct Tar(Vec<u8>);

impl Tar {
    fn member(mut self, path: &str, kind: u8, mode: usize, content: &[u8]) -> Self {
        self.0.extend(header(path, kind, content.len(), mode, ""));
        self.0.extend(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    fn file(self, path: &str, content: &[u8]) -> Self {
        self.member(&format!("o-r-0/{path}"), b'0', 0o664, content)
    }

    fn folder(self, path: &str) -> Self {
        self.member(&format!("o-r-0/{path}"), b'5', 0o775, b"")
    }

    fn link(mut self, path: &str, target: &str) -> Self {
        self.0
            .extend(header(&format!("o-r-0/{path}"), b'2', 0, 0o777, target));
        self
    }

    fn open(self) -> Vec<u8> {
        let mut all = self.0;
        all.resize(all.len() + 1_024, 0);
        all
    }

    fn packed(self) -> Vec<u8> {
        packed(&self.open())
    }

    fn read(self) -> Result<Snapshot, SnapshotError> {
        Snapshot::from_tarball(&self.packed(), &Bounds::default())
    }
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

fn sample() -> Tar {
    let comment = format!("52 comment={COMMIT}\n");
    let long = format!("o-r-0/{}deep.py", "folder/".repeat(30));
    let path = format!("{} path={long}\n", long.len() + 10);
    Tar::default()
        .member("pax_global_header", b'g', 0o664, comment.as_bytes())
        .folder("")
        .folder("src/")
        .file("src/a.py", b"a = 1\r\nb = 2\r\n")
        .member("o-r-0/run.sh", b'0', 0o775, b"#!/bin/sh\n")
        .folder("lib/")
        .link("latest", "src/a.py")
        .file("logo.png", b"\x89PNG\0\0")
        .file("marked.cs", b"\xEF\xBB\xBFclass A {}\n")
        .file("old.txt", b"caf\xE9\n")
        .file("wide.txt", b"\xFF\xFEa\0\n\0")
        .file("package-lock.json", b"{}\n")
        .member("x", b'x', 0o664, path.as_bytes())
        .file("short", b"deep = True\n")
}

#[test]
fn an_archive_is_read_as_what_it_is() {
    let snapshot = sample().read().expect("a fine archive");
    assert_eq!(snapshot.commit(), Some(COMMIT));
    let mode = |path: &str| snapshot.get(path).expect(path).mode.as_str();
    assert_eq!(mode("src/a.py"), "100644");
    assert_eq!(mode("run.sh"), "100755");
    assert_eq!(mode("latest"), "120000");
    assert_eq!(mode("lib"), "160000");
    assert!(snapshot.get("src").is_none());
    let content = |path: &str| snapshot.get(path).expect(path).content.clone();
    assert_eq!(content("latest"), Content::Link("src/a.py".to_owned()));
    assert_eq!(content("logo.png"), Content::Omitted(Omitted::Binary));
    assert_eq!(content("lib"), Content::Omitted(Omitted::Submodule));
    assert!(snapshot.get("package-lock.json").expect("it").generated);
    assert!(
        snapshot
            .get(&format!("{}deep.py", "folder/".repeat(30)))
            .is_some()
    );
}

#[test]
fn texts_are_written_back_byte_for_byte() {
    let snapshot = sample().read().expect("a fine archive");
    for (path, bytes, encoding) in [
        ("src/a.py", b"a = 1\r\nb = 2\r\n".as_slice(), Encoding::Utf8),
        ("marked.cs", b"\xEF\xBB\xBFclass A {}\n", Encoding::Utf8Mark),
        ("old.txt", b"caf\xE9\n", Encoding::Bytes),
        ("wide.txt", b"\xFF\xFEa\0\n\0", Encoding::Utf16Le),
    ] {
        let text = snapshot.get(path).and_then(Entry::text).expect(path);
        assert_eq!(text.encoding(), encoding, "{path}");
        assert_eq!(text.encode().expect(path), bytes, "{path}");
    }
    let crlf = snapshot.get("src/a.py").and_then(Entry::text).expect("it");
    assert_eq!(crlf.ending(), Ending::CrLf);
    let old = Text::new("\u{20AC}".to_owned(), Encoding::Bytes);
    assert_eq!(old.encode(), Err(NotEncodable('\u{20AC}')));
}

#[test]
fn paths_that_lead_outside_are_refused() {
    for bad in [
        "../x",
        "a/../../x",
        "a//b",
        ".git/config",
        "a/.GIT/hooks",
        ".git./x",
        "a\\b",
        "./a",
    ] {
        let answer = Tar::default().file(bad, b"x").read();
        assert_eq!(answer, Err(SnapshotError::Path(bad.to_owned())), "{bad}");
    }
    assert_eq!(
        Tar::default().file("a", b"1").file("a", b"2").read(),
        Err(SnapshotError::Twice("a".to_owned()))
    );
    let other = Tar::default()
        .file("a", b"1")
        .member("other/a", b'0', 0o644, b"1");
    assert_eq!(other.read(), Err(SnapshotError::OuterFolder));
    for kind in [b'1', b'3', b'4', b'6', b'S'] {
        let answer = Tar::default().member("o-r-0/a", kind, 0o644, b"").read();
        assert_eq!(answer, Err(SnapshotError::Kind(kind)));
    }
    let unnamed = Tar::default().file("a\u{7}b", b"1").file("b", b"2").read();
    let paths = unnamed.expect("the rest is fine");
    let paths: Vec<_> = paths.iter().map(|(path, _)| path).collect();
    assert_eq!(paths, ["b"]);
}

#[test]
fn bombs_are_refused_before_they_are_unpacked() {
    let bounds = Bounds {
        unpacked_bytes_max: 1 << 20,
        entries_max: 20,
        ..Bounds::default()
    };
    let zeros = vec![0; 4 << 20];
    let bomb = Tar::default().file("zeros", &zeros).packed();
    assert_eq!(
        Snapshot::from_tarball(&bomb, &bounds),
        Err(SnapshotError::TooManyBytes)
    );
    let many = (0..30).fold(Tar::default(), |tar, n| tar.file(&format!("f{n}"), b"x"));
    assert_eq!(
        Snapshot::from_tarball(&many.packed(), &bounds),
        Err(SnapshotError::TooManyEntries)
    );
    // A header may claim any size: nothing is allocated for it.
    let mut claims = header("o-r-0/a", b'0', 0o77_777_777_777, 0o644, "").to_vec();
    claims.resize(4_096, 0);
    assert!(Snapshot::from_tarball(&packed(&claims), &bounds).is_err());
    let ratio = packed(&vec![0; 64 << 20]);
    let steep = Snapshot::from_tarball(
        &ratio,
        &Bounds {
            ratio_max: 10,
            ..Bounds::default()
        },
    );
    assert_eq!(steep, Err(SnapshotError::TooManyBytes));
}

#[test]
fn large_and_late_files_are_listed_without_their_content() {
    let bounds = Bounds {
        file_bytes_max: 100,
        kept_bytes_max: 150,
        ..Bounds::default()
    };
    let tar = Tar::default()
        .file("a", &[b'a'; 90])
        .file("b", &[b'b'; 101])
        .file("c", &[b'c'; 90])
        .file("d", &[b'd'; 10]);
    let snapshot = Snapshot::from_tarball(&tar.packed(), &bounds).expect("within the bounds");
    let content = |path: &str| snapshot.get(path).expect(path).content.clone();
    assert_eq!(content("b"), Content::Omitted(Omitted::TooLarge));
    assert_eq!(content("c"), Content::Omitted(Omitted::Full));
    assert!(matches!(content("d"), Content::Text(_)));
    assert_eq!(snapshot.get("b").expect("b").bytes, 101);
}

#[test]
fn every_cut_and_every_flipped_byte_is_refused_or_harmless() {
    let open = sample().open();
    let whole = packed(&open);
    for length in 0..whole.len() {
        assert!(Snapshot::from_tarball(&whole[..length], &Bounds::default()).is_err());
    }
    let mut noise = Noise::new(7);
    for _ in 0..600 {
        let mut changed = open.clone();
        for _ in 0..=noise.below(3) {
            let at = noise.below(changed.len());
            changed[at] = noise.byte();
        }
        if let Ok(snapshot) = Snapshot::from_tarball(&packed(&changed), &Bounds::default()) {
            for (path, entry) in snapshot.iter() {
                assert!(is_safe(path), "{path}");
                assert!(entry.text().is_none_or(|text| text.encode().is_ok()));
            }
        }
        let bytes = noise.bytes(2_000);
        assert!(Snapshot::from_tarball(&bytes, &Bounds::default()).is_err());
        assert!(
            Snapshot::from_tarball(&packed(&bytes), &Bounds::default()).is_err()
                || bytes.len() >= 512
        );
    }
}

#[test]
fn any_bytes_that_are_text_come_back() {
    let mut noise = Noise::new(11);
    for round in 0..4_000 {
        let mut bytes = noise.bytes(40);
        if round % 4 == 0 {
            bytes.splice(..0, [0xFF, 0xFE]);
        }
        if let Some(text) = Text::decode(bytes.clone()) {
            assert_eq!(text.encode(), Ok(bytes));
        }
    }
}

#[test]
fn kinds_of_files_are_known_by_their_names() {
    for path in [
        "tests/a.py",
        "a/test_x.py",
        "x_test.go",
        "a.spec.ts",
        "src/FooTest.java",
        "conftest.py",
    ] {
        assert!(is_test(path), "{path}");
    }
    for path in [
        "src/latest.py",
        "contest.py",
        "sympy/testing/runner.py",
        "attest.go",
    ] {
        assert!(!is_test(path), "{path}");
    }
    for path in [".env", "a/.env.production", "x/server.pem", ".ssh/id_rsa"] {
        assert!(is_secret(path), "{path}");
    }
    for path in [".env.example", "environment.py", "keys.py", "id_rsa.md"] {
        assert!(!is_secret(path), "{path}");
    }
    for (path, body) in [
        ("a/Cargo.lock", ""),
        ("web/dist/app.js", ""),
        ("a.go", "// Code generated by protoc. DO NOT EDIT.\n"),
        ("b.rs", "// @generated\n"),
    ] {
        assert!(is_generated(path, body), "{path}");
    }
    assert!(!is_generated("src/generator.py", "# makes code\n"));
}
