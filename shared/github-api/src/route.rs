//! The path and query of a request, percent-encoded as it is built, so that a name cannot change
//! the path.

use domain::ids::RepositoryId;
use std::fmt::Write;

/// The part of a URL after the host. Fixed text is added unchanged; everything else is encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route(String);

impl Route {
    pub fn new(fixed: &'static str) -> Self {
        Self(fixed.to_owned())
    }

    /// The routes of a repository, by name.
    pub fn of_repository(owner: &str, name: &str) -> Self {
        Self::new("/repos/").segment(owner).fixed("/").segment(name)
    }

    /// The same routes by number. GitHub redirects there after a rename or a transfer.
    pub fn of_repository_id(id: RepositoryId) -> Self {
        Self::new("/repositories/").number(id.get())
    }

    pub fn fixed(mut self, text: &'static str) -> Self {
        self.0.push_str(text);
        self
    }

    /// Adds one segment; a slash in it is encoded.
    pub fn segment(mut self, text: &str) -> Self {
        encode(&mut self.0, text);
        self
    }

    pub fn number(mut self, number: u64) -> Self {
        self.0.push_str(&number.to_string());
        self
    }

    /// Adds a file path or branch name, whose slashes separate segments.
    pub fn path(mut self, path: &str) -> Self {
        for (place, segment) in path.split('/').enumerate() {
            if place > 0 {
                self.0.push('/');
            }
            encode(&mut self.0, segment);
        }
        self
    }

    pub fn query(mut self, name: &'static str, value: &str) -> Self {
        self.0.push(if self.0.contains('?') { '&' } else { '?' });
        self.0.push_str(name);
        self.0.push('=');
        encode(&mut self.0, value);
        self
    }

    pub fn below(&self, prefix: &Self) -> Self {
        Self(format!("{}{}", prefix.0, self.0))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Percent-encodes everything except RFC 3986's unreserved characters. The segments `.` and `..`
/// would change the path, so their dots are encoded too.
fn encode(out: &mut String, text: &str) {
    let tier_deltas = text == "." || text == "..";
    for byte in text.bytes() {
        match byte {
            b'.' if tier_deltas => out.push_str("%2E"),
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte))
            }
            other => {
                // Writing to a String cannot fail.
                let _ = write!(out, "%{other:02X}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_in_their_place() {
        let check = |route: Route, expected: &str| {
            assert_eq!(route.as_str(), expected);
            assert!(expected.parse::<http::Uri>().is_ok(), "{expected}");
        };
        check(
            Route::of_repository_id(RepositoryId::new(9)),
            "/repositories/9",
        );
        check(
            Route::of_repository("o/../x", "n?a#b"),
            "/repos/o%2F..%2Fx/n%3Fa%23b",
        );
        check(
            Route::new("/git/ref/heads/").path("tallyhook/job_1"),
            "/git/ref/heads/tallyhook/job_1",
        );
        check(
            Route::new("/contents/").path("a b/é/100%/c#1.md"),
            "/contents/a%20b/%C3%A9/100%25/c%231.md",
        );
        check(
            Route::new("/contents/")
                .path("../../user")
                .query("ref", "a&b=c"),
            "/contents/%2E%2E/%2E%2E/user?ref=a%26b%3Dc",
        );
        check(
            Route::new("/pulls")
                .query("head", "octo:f+x")
                .query("state", "all"),
            "/pulls?head=octo%3Af%2Bx&state=all",
        );
        check(
            Route::new("/issues/")
                .number(7)
                .below(&Route::of_repository("o", "n")),
            "/repos/o/n/issues/7",
        );
    }
}
