//! Repository names. A repository's identity is GitHub's number; its name may change.

use std::fmt;

/// A name of the form `owner/name`, in its original case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepositoryName {
    owner: String,
    name: String,
}

const OWNER_CHARS_MAX: usize = 60;
const NAME_CHARS_MAX: usize = 100;

impl RepositoryName {
    /// Parses `owner/name`, in the characters that GitHub allows.
    pub fn parse(text: &str) -> Option<Self> {
        let (owner, name) = text.split_once('/')?;
        Self::of(owner, name)
    }

    /// Joins an owner and a name.
    pub fn of(owner: &str, name: &str) -> Option<Self> {
        let plain = |text: &str, more: &[u8]| {
            text.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || more.contains(&byte))
                && !text.is_empty()
        };
        let fits = plain(owner, b"-_") && plain(name, b"-_.") && name != "." && name != "..";
        let short = owner.len() <= OWNER_CHARS_MAX && name.len() <= NAME_CHARS_MAX;
        (fits && short).then(|| Self {
            owner: owner.to_owned(),
            name: name.to_owned(),
        })
    }

    pub fn owner(&self) -> &str {
        &self.owner
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// The lower-case form for comparisons: GitHub ignores case.
    #[must_use]
    pub fn folded(&self) -> Self {
        Self {
            owner: self.owner.to_ascii_lowercase(),
            name: self.name.to_ascii_lowercase(),
        }
    }
}

impl fmt::Display for RepositoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_nothing_else() {
        for good in ["acme/greeter", "a-b_c/x.y-z_1", "A/.github"] {
            assert_eq!(
                RepositoryName::parse(good)
                    .map(|name| name.to_string())
                    .as_deref(),
                Some(good)
            );
        }
        assert_eq!(
            RepositoryName::parse("Acme/Greeter").map(|name| name.folded()),
            RepositoryName::parse("acme/greeter")
        );
        let long = format!("a/{}", "x".repeat(101));
        for bad in [
            "", "acme", "/greeter", "acme/", "acme/a/b", "acme/..", "acme/.", "ac me/a", "a#b/c",
            "é/c", &long,
        ] {
            assert_eq!(RepositoryName::parse(bad), None, "{bad}");
        }
    }
}
