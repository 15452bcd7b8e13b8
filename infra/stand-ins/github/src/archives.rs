//! Archives of commits. The API answers with the address of the archive on the host `codeload`,
//! which needs no token: the address holds a secret that is valid for five minutes
//! (docs.github.com, "Download a repository archive (tar)").

use std::io::Write;

use axum::Router;
use axum::extract::{Path, Query, State as From};
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Deserialize;

use super::GitHub;
use super::access::{Access, CONTENTS};
use super::git::{LINK, SUBMODULE};
use super::refusal::Refusal;
use super::state::Repository;

const LINK_MILLIS: i64 = 300_000;
const BLOCK: usize = 512;

/// An address that was handed out.
pub(super) struct Link {
    pub repository: u64,
    pub commit: String,
    pub expires: i64,
}

pub(super) fn routes() -> Router<GitHub> {
    Router::new()
        .route("/tarball", get(of_default_branch))
        .route("/tarball/{*name}", get(redirect))
}

/// The host of the archives.
pub(super) fn codeload() -> Router<GitHub> {
    Router::new().route(
        "/{owner}/{repository}/legacy.tar.gz/{commit}",
        get(download),
    )
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

async fn of_default_branch(access: Access, uri: Uri) -> Result<Response, Refusal> {
    let name = access.read(CONTENTS)?.repository().default_branch.clone();
    to_link(&access, &uri, &name)
}

async fn redirect(
    access: Access,
    Path(Named { name }): Path<Named>,
    uri: Uri,
) -> Result<Response, Refusal> {
    to_link(&access, &uri, &name)
}

fn to_link(access: &Access, uri: &Uri, name: &str) -> Result<Response, Refusal> {
    let mut visit = access.read(CONTENTS)?;
    let repository = visit.repository();
    let commit = repository.resolve(name).ok_or_else(Refusal::not_found)?;
    let (full_name, id) = (repository.full_name(), repository.id);
    let secret = format!("A{:015X}", visit.state.links.len() + 1);
    let link = Link {
        repository: id,
        commit: commit.clone(),
        expires: visit.now + LINK_MILLIS,
    };
    visit.state.links.insert(secret.clone(), link);
    let host = uri.authority().map_or("github.test", |name| name.as_str());
    let host = host.strip_prefix("api.").unwrap_or(host);
    let scheme = uri.scheme_str().unwrap_or("http");
    let location =
        format!("{scheme}://codeload.{host}/{full_name}/legacy.tar.gz/{commit}?token={secret}");
    Ok((StatusCode::FOUND, [(header::LOCATION, location)]).into_response())
}

#[derive(Deserialize)]
struct Place {
    commit: String,
}

#[derive(Deserialize)]
struct Secret {
    #[serde(default)]
    token: String,
}

async fn download(
    From(github): From<GitHub>,
    Path(Place { commit }): Path<Place>,
    Query(Secret { token }): Query<Secret>,
) -> Response {
    let now = github.now();
    let state = github.lock();
    let link = state.links.get(&token);
    let link = link.filter(|link| link.commit == commit && now < link.expires);
    let Some(repository) = link.and_then(|link| state.repositories.get(&link.repository)) else {
        return (StatusCode::NOT_FOUND, "404: Not Found").into_response();
    };
    let packed = pack(&archive(repository, &commit));
    ([(header::CONTENT_TYPE, "application/x-gzip")], packed).into_response()
}

fn pack(archive: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder
        .write_all(archive)
        .and_then(|()| encoder.finish())
        .expect("a vector takes everything")
}

/// What `git archive` writes: the commit's id first, then the files in one outer folder, as the
/// repository's attributes change them. A submodule is an empty folder.
fn archive(repository: &Repository, commit: &str) -> Vec<u8> {
    let short = commit.get(..7).unwrap_or(commit);
    let outer = format!("{}-{short}", repository.full_name().replace('/', "-"));
    let mut out = Vec::new();
    let comment = record("comment", commit);
    member(
        &mut out,
        "pax_global_header",
        b'g',
        0o644,
        comment.as_bytes(),
        "",
    );
    member(&mut out, &format!("{outer}/"), b'5', 0o755, b"", "");
    let files = repository.files(commit);
    let attributes = files.iter().find(|(path, _)| *path == ".gitattributes");
    let attributes = attributes.and_then(|(_, file)| repository.objects.blob(&file.sha));
    let attributes = String::from_utf8_lossy(&attributes.unwrap_or_default()).into_owned();
    for (path, file) in files {
        if has_attribute(&attributes, &path, "export-ignore") {
            continue;
        }
        let mut content = repository.objects.blob(&file.sha).unwrap_or_default();
        if has_attribute(&attributes, &path, "eol=crlf") {
            let text = String::from_utf8_lossy(&content).replace('\n', "\r\n");
            content = text.into_bytes();
        }
        let path = format!("{outer}/{path}");
        let is = |mode: &str| file.mode == mode;
        let (kind, mode, name) = match () {
            () if is(SUBMODULE) => (b'5', 0o755, format!("{path}/")),
            () if is(LINK) => (b'2', 0o777, path),
            () if is("100755") => (b'0', 0o755, path),
            () => (b'0', 0o644, path),
        };
        let target = String::from_utf8_lossy(&content).into_owned();
        let content: &[u8] = if kind == b'0' { &content } else { b"" };
        let target = if kind == b'2' { target.as_str() } else { "" };
        if name.len() > 100 {
            member(
                &mut out,
                "pax_header",
                b'x',
                0o644,
                record("path", &name).as_bytes(),
                "",
            );
        }
        member(&mut out, &name, kind, mode, content, target);
    }
    out.resize(out.len() + 2 * BLOCK, 0);
    out
}

/// Whether the repository's attributes give this one to a file, or to a folder that it is in
/// (git-scm.com, "gitattributes"). Patterns are names, paths from the root, and `*` with an ending.
fn has_attribute(attributes: &str, path: &str, wanted: &str) -> bool {
    let applies = |pattern: &str| match (pattern.strip_prefix('*'), pattern.strip_prefix('/')) {
        (Some(ending), _) => path.ends_with(ending),
        (None, Some(from_root)) => {
            let rest = path.strip_prefix(from_root);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        }
        (None, None) => path == pattern || path.split('/').any(|part| part == pattern),
    };
    attributes.lines().any(|line| {
        let mut words = line.split_whitespace();
        words.next().is_some_and(applies) && words.any(|word| word == wanted)
    })
}

/// A pax record, whose length counts itself.
fn record(key: &str, value: &str) -> String {
    let rest = format!(" {key}={value}\n");
    let mut length = rest.len() + 1;
    while length != rest.len() + length.to_string().len() {
        length = rest.len() + length.to_string().len();
    }
    format!("{length}{rest}")
}

fn member(out: &mut Vec<u8>, name: &str, kind: u8, mode: u32, content: &[u8], target: &str) {
    let mut header = [0; BLOCK];
    let mut put = |at: usize, bytes: &[u8], most: usize| {
        let count = bytes.len().min(most);
        header[at..at + count].copy_from_slice(&bytes[..count]);
    };
    put(0, name.as_bytes(), 100);
    put(100, format!("{mode:07o}").as_bytes(), 7);
    put(108, b"0000000", 7);
    put(116, b"0000000", 7);
    put(124, format!("{:011o}", content.len()).as_bytes(), 11);
    put(136, b"00000000000", 11);
    put(148, b"        ", 8);
    put(156, &[kind], 1);
    put(157, target.as_bytes(), 100);
    put(257, b"ustar\x0000", 8);
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    out.extend_from_slice(&header);
    out.extend_from_slice(content);
    out.resize(out.len().next_multiple_of(BLOCK), 0);
}
