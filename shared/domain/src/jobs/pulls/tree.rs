//! Whether a change fits the tree that it is based on.
//!
//! GitHub's API for trees overwrites whatever is at a path, and a model may name any path. So the
//! tree is looked at first: a change writes and deletes files and nothing else. Links, submodules,
//! modes and pointers of Git LFS stay what they are unless the change deletes them.

use super::{FileChange, FileEdit};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What is at a path of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    File,
    Executable,
    /// A symbolic link; its content is the target's path.
    Link,
    /// A commit of another repository.
    Submodule,
    Folder,
}

impl Mode {
    /// Git's number for it.
    pub const fn number(self) -> &'static str {
        match self {
            Self::File => "100644",
            Self::Executable => "100755",
            Self::Link => "120000",
            Self::Submodule => "160000",
            Self::Folder => "040000",
        }
    }

    /// Git's name for the object.
    pub const fn object(self) -> &'static str {
        match self {
            Self::File | Self::Executable | Self::Link => "blob",
            Self::Submodule => "commit",
            Self::Folder => "tree",
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::File | Self::Executable => "a file",
            Self::Link => "a symbolic link",
            Self::Submodule => "a submodule",
            Self::Folder => "a folder",
        }
    }
}

/// The paths of a tree, as far as a change concerns them: the paths that it changes, and everything
/// above and below these.
pub type Paths = BTreeMap<String, Mode>;

/// One change of a tree that fits it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edit<'a> {
    pub path: &'a str,
    pub mode: Mode,
    /// The content, or `None` to delete the path.
    pub content: Option<&'a str>,
}

/// Why a change does not fit the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfit {
    /// The change would replace this.
    Replaces { path: String, mode: Mode },
    /// The change would write below this, which is no folder.
    Below {
        path: String,
        above: String,
        mode: Mode,
    },
    /// The folder holds too much for GitHub to list, so nobody can look before writing.
    Unlisted { folder: String },
    /// The change would put text in the place of a pointer of Git LFS.
    LargeFile { path: String },
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the change does not fit the repository: ")?;
        match self {
            Self::Replaces { path, mode } => write!(f, "{path:?} is {}", mode.name()),
            Self::Below { path, above, mode } => {
                write!(
                    f,
                    "{path:?} cannot be below {above:?}, which is {}",
                    mode.name()
                )
            }
            Self::Unlisted { folder } => {
                write!(f, "the folder {folder:?} holds too many files")
            }
            Self::LargeFile { path } => {
                write!(
                    f,
                    "{path:?} is kept in Git LFS, and the change has text for it"
                )
            }
        }
    }
}

impl std::error::Error for Unfit {}

/// The edits of a change in the order in which they apply, deletions first. A file that is already
/// gone needs none. An existing file keeps its mode.
pub fn fit<'a>(changes: &'a [FileChange], paths: &Paths) -> Result<Vec<Edit<'a>>, Unfit> {
    let deleted: BTreeSet<&str> = changes
        .iter()
        .filter(|file| file.change == FileEdit::Delete)
        .map(|file| file.path.as_str())
        .collect();
    let (mut edits, mut writes) = (Vec::new(), Vec::new());
    for FileChange { path, change } in changes {
        let (known, content) = match change {
            FileEdit::Write(text) => (paths.get(path), Some(text.as_str())),
            FileEdit::Delete => (paths.get(path), None),
        };
        let mode = match (known.copied(), content) {
            (None, None) => continue,
            (None, Some(_)) => Mode::File,
            (Some(Mode::Folder), Some(_)) if is_emptied(path, paths, &deleted) => Mode::File,
            (Some(mode @ (Mode::File | Mode::Executable)), _)
            | (Some(mode @ (Mode::Link | Mode::Submodule)), None) => mode,
            (Some(mode), _) => {
                let path = path.clone();
                return Err(Unfit::Replaces { path, mode });
            }
        };
        if content.is_some() {
            may_be_below(path, paths, &deleted)?;
        }
        let edit = Edit {
            path,
            mode,
            content,
        };
        if content.is_some() {
            writes.push(edit);
        } else {
            edits.push(edit);
        }
    }
    edits.append(&mut writes);
    Ok(edits)
}

/// Whether the change deletes everything in a folder. Git has no empty folders, so one without
/// entries was not listed.
fn is_emptied(folder: &str, paths: &Paths, deleted: &BTreeSet<&str>) -> bool {
    let below = format!("{folder}/");
    let mut inside = paths
        .range(below.clone()..)
        .take_while(|(path, _)| path.starts_with(&below))
        .peekable();
    inside.peek().is_some()
        && inside.all(|(path, mode)| match mode {
            Mode::Folder => is_emptied(path, paths, deleted),
            _ => deleted.contains(path.as_str()),
        })
}

/// A file is only in folders, or where the change deletes what is in the way.
fn may_be_below(path: &str, paths: &Paths, deleted: &BTreeSet<&str>) -> Result<(), Unfit> {
    for above in folders_of(path) {
        match paths.get(above) {
            Some(Mode::Folder) | None => {}
            Some(_) if deleted.contains(above) => {}
            Some(mode) => {
                return Err(Unfit::Below {
                    path: path.to_owned(),
                    above: above.to_owned(),
                    mode: *mode,
                });
            }
        }
    }
    Ok(())
}

/// The folders that a path is in, the outermost first.
pub fn folders_of(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(end, _)| &path[..end])
}

/// The sizes that a pointer of Git LFS can have.
/// <https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md>: fewer than 1024 bytes, with the
/// version, a SHA-256 and the size.
pub fn may_be_pointer(bytes: u64) -> bool {
    (100..1_024).contains(&bytes)
}

/// Whether a file's content is a pointer of Git LFS.
pub fn is_pointer(content: &[u8]) -> bool {
    const VERSIONS: [&[u8]; 2] = [
        b"version https://git-lfs.github.com/spec/",
        b"version https://hawser.github.com/spec/",
    ];
    VERSIONS.iter().any(|version| content.starts_with(version))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &str) -> FileChange {
        FileChange {
            path: path.to_owned(),
            change: FileEdit::Write("new".to_owned()),
        }
    }

    fn delete(path: &str) -> FileChange {
        FileChange {
            path: path.to_owned(),
            change: FileEdit::Delete,
        }
    }

    fn paths() -> Paths {
        [
            ("README.md", Mode::File),
            ("link", Mode::Link),
            ("run.sh", Mode::Executable),
            ("src", Mode::Folder),
            ("src/deep", Mode::Folder),
            ("src/deep/a.rs", Mode::File),
            ("src/lib.rs", Mode::File),
            ("src.rs", Mode::File),
            ("vendor", Mode::Submodule),
        ]
        .map(|(path, mode)| (path.to_owned(), mode))
        .into()
    }

    fn fitted(changes: &[FileChange]) -> Result<Vec<(String, Mode, bool)>, String> {
        let edits = fit(changes, &paths()).map_err(|unfit| unfit.to_string())?;
        let seen = |edit: Edit<'_>| (edit.path.to_owned(), edit.mode, edit.content.is_some());
        Ok(edits.into_iter().map(seen).collect())
    }

    #[test]
    fn files_are_written_and_deleted_as_what_they_are() {
        let changes = [
            write("run.sh"),
            delete("src.rs"),
            write("src/new/b.rs"),
            delete("gone.txt"),
            write("README.md"),
            delete("link"),
            delete("vendor"),
        ];
        let expected = [
            ("src.rs", Mode::File, false),
            ("link", Mode::Link, false),
            ("vendor", Mode::Submodule, false),
            ("run.sh", Mode::Executable, true),
            ("src/new/b.rs", Mode::File, true),
            ("README.md", Mode::File, true),
        ];
        let expected = expected.map(|(path, mode, written)| (path.to_owned(), mode, written));
        assert_eq!(fitted(&changes), Ok(expected.to_vec()));
    }

    #[test]
    fn nothing_is_replaced_by_something_else() {
        for (change, why) in [
            (write("src"), r#""src" is a folder"#),
            (delete("src"), r#""src" is a folder"#),
            (write("link"), r#""link" is a symbolic link"#),
            (write("vendor"), r#""vendor" is a submodule"#),
            (
                write("README.md/x"),
                r#""README.md/x" cannot be below "README.md", which is a file"#,
            ),
            (
                write("link/a/b"),
                r#""link/a/b" cannot be below "link", which is a symbolic link"#,
            ),
            (
                write("vendor/x"),
                r#""vendor/x" cannot be below "vendor", which is a submodule"#,
            ),
        ] {
            let unfit = fitted(&[write("fine.txt"), change]);
            assert_eq!(
                unfit,
                Err(format!("the change does not fit the repository: {why}"))
            );
        }
        // What is below a link or a submodule is not in the tree, so it is already gone.
        assert_eq!(fitted(&[delete("link/x"), delete("vendor/x")]), Ok(vec![]));
    }

    /// A change that deletes what is in the way says that it replaces it.
    #[test]
    fn what_the_change_deletes_is_not_in_the_way() {
        let file_to_folder = [write("README.md/x"), delete("README.md")];
        let expected = vec![
            ("README.md".to_owned(), Mode::File, false),
            ("README.md/x".to_owned(), Mode::File, true),
        ];
        assert_eq!(fitted(&file_to_folder), Ok(expected));
        assert!(fitted(&[delete("link"), write("link/x")]).is_ok());
        let folder_to_file = [write("src"), delete("src/deep/a.rs"), delete("src/lib.rs")];
        assert!(fitted(&folder_to_file).is_ok());
        assert!(
            fitted(&folder_to_file[..2]).is_err(),
            "src/lib.rs is still there"
        );
        let mut unlisted = paths();
        unlisted.remove("src/deep/a.rs");
        let change = [write("src"), delete("src/lib.rs")];
        assert!(
            fit(&change, &unlisted).is_err(),
            "nobody knows what is in src/deep"
        );
    }

    #[test]
    fn pointers_are_recognized() {
        let pointer = format!(
            "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 12345\n",
            "a".repeat(64)
        );
        assert!(is_pointer(pointer.as_bytes()));
        assert!(may_be_pointer(u64::try_from(pointer.len()).expect("small")));
        assert!(!is_pointer(b"version 2\n") && !may_be_pointer(4_096));
        assert_eq!(folders_of("a/b/c").collect::<Vec<_>>(), ["a", "a/b"]);
    }
}
