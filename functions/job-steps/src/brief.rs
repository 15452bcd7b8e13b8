//! What the planner is shown of a repository: the files that the issue is most likely about, with
//! what they declare, and what people who belong to the repository have said.

use crate::base::{Base, broken};
use agent::outline::{Language, outline, render};
use agent::retrieval::{Question, places, retrieve};
use agent::snapshot::{Mode, Snapshot, is_secret};
use domain::jobs::permissions::is_insider;
use domain::jobs::pulls::may_touch;
use domain::jobs::steps::IssueText;
use domain::jobs::untrusted::cleaned;
use domain::retry::Failure;
use domain::text::truncate;
use github_api::IssueComment;
use serde_json::{Value, json};

/// The most bytes of paths to show. A larger repository is shown in part, and whole where nothing
/// else is known of it.
const TREE_BYTES_MAX: usize = 200 * 1024;
const TREE_BESIDE_OUTLINES_BYTES_MAX: usize = 48 * 1024;
const SHORT_TREE_BYTES_MAX: usize = 4 * 1024;
const CANDIDATES_MAX: usize = 20;
/// The best candidates are shown with what they declare.
const OUTLINES_MAX: usize = 8;
const OUTLINE_LINES_MAX: usize = 120;
const OUTLINES_BYTES_MAX: usize = 24 * 1024;
/// How much is shown around a line that the issue points at.
const AROUND_LINES: usize = 8;
const LINE_BYTES_MAX: usize = 200;
const COMMENTS_MAX: usize = 20;
const COMMENTS_BYTES_MAX: usize = 16 * 1024;

/// A repository as a planner sees it.
pub struct Brief {
    /// Paths in their order, as far as they fit.
    pub tree: Vec<String>,
    /// The best files first.
    pub candidates: Vec<Value>,
    /// Lines that the issue points at, with those around them.
    pub places: Vec<Value>,
    pub instructions: Option<Value>,
    snapshot: Snapshot,
}

impl Brief {
    /// Searches on a thread where nobody waits: a large repository takes most of a second.
    pub async fn of(base: Base, order: &IssueText, comments: &[Value]) -> Result<Self, Failure> {
        let title = order.title.clone();
        let said = comments
            .iter()
            .filter_map(|comment| comment["body"].as_str());
        let body = std::iter::once(order.body.as_str()).chain(said);
        let body = body.collect::<Vec<_>>().join("\n\n");
        let searched = tokio::task::spawn_blocking(move || {
            let (candidates, places) = if base.searchable {
                (
                    candidates(&base.snapshot, &title, &body),
                    excerpts(&base.snapshot, &body),
                )
            } else {
                (Vec::new(), Vec::new())
            };
            (base, candidates, places)
        });
        let (base, candidates, places) = searched.await.map_err(broken)?;
        let bytes_max = if candidates.is_empty() {
            TREE_BYTES_MAX
        } else {
            TREE_BESIDE_OUTLINES_BYTES_MAX
        };
        Ok(Self {
            tree: within(files(&base.snapshot), bytes_max),
            candidates,
            places,
            instructions: base.instructions(),
            snapshot: base.snapshot,
        })
    }

    /// Leaves out what a small budget cannot pay for. The paths of the candidates stay.
    pub fn shorten(&mut self) {
        for candidate in &mut self.candidates {
            candidate["outline"] = Value::Null;
        }
        self.places.clear();
        self.instructions = None;
        let tree = std::mem::take(&mut self.tree);
        self.tree = within(tree.iter().map(String::as_str), SHORT_TREE_BYTES_MAX);
    }

    /// Whether a plan may name this path: it is one of the repository's files.
    pub fn has(&self, path: &str) -> bool {
        files(&self.snapshot).any(|file| file == path)
    }
}

/// Files that an agent may read and write.
fn files(snapshot: &Snapshot) -> impl Iterator<Item = &str> {
    let file = |mode| matches!(mode, Mode::Regular | Mode::Executable);
    let all = snapshot.iter().filter(move |(_, entry)| file(entry.mode));
    all.map(|(path, _)| path).filter(|path| may_touch(path))
}

fn candidates(snapshot: &Snapshot, title: &str, body: &str) -> Vec<Value> {
    let found = retrieve(snapshot, &Question { title, body }, CANDIDATES_MAX);
    let mut bytes = 0;
    let shown = found
        .into_iter()
        .filter(|file| may_touch(&file.path) && !is_secret(&file.path));
    shown
        .enumerate()
        .map(|(rank, file)| {
            let text = snapshot.get(&file.path).and_then(|entry| entry.text());
            let language = Language::of(&file.path).filter(|_| rank < OUTLINES_MAX);
            let outlined = text.zip(language).map(|(text, language)| {
                let symbols = outline(language, text.body());
                render(text.body(), &symbols, OUTLINE_LINES_MAX)
            });
            let outlined = outlined.filter(|lines| bytes + lines.len() <= OUTLINES_BYTES_MAX);
            bytes += outlined.as_ref().map_or(0, String::len);
            json!({ "path": file.path, "outline": outlined })
        })
        .collect()
}

fn excerpts(snapshot: &Snapshot, body: &str) -> Vec<Value> {
    let pointed = places(snapshot, body).into_iter();
    let shown = pointed.filter(|place| may_touch(&place.path) && !is_secret(&place.path));
    shown
        .filter_map(|place| {
            let text = snapshot.get(&place.path)?.text()?.body();
            let first = place.line.saturating_sub(AROUND_LINES).max(1);
            let lines = (1..).zip(text.lines()).skip(first - 1);
            let lines = lines.take(place.line + AROUND_LINES + 1 - first);
            let lines = lines.map(|(number, line)| {
                format!("{number}\t{}\n", truncate(line, LINE_BYTES_MAX))
            });
            Some(json!({ "path": place.path, "line": place.line, "text": lines.collect::<String>() }))
        })
        .collect()
}

/// The newest comments of people whom the owner let in, oldest first. Nobody else's words may steer
/// a job that somebody with a role has approved.
pub fn comments(all: &[IssueComment]) -> Vec<Value> {
    let mut bytes = 0;
    let insiders = all
        .iter()
        .rev()
        .filter(|comment| is_insider(&comment.association));
    let mut shown: Vec<Value> = insiders
        .map(|comment| (comment, cleaned(&comment.body).text))
        .take_while(|(_, text)| {
            bytes += text.len();
            bytes <= COMMENTS_BYTES_MAX
        })
        .take(COMMENTS_MAX)
        .map(|(comment, text)| json!({ "author": comment.author, "association": comment.association, "body": truncate(text.trim(), COMMENTS_BYTES_MAX) }))
        .collect();
    shown.reverse();
    shown
}

fn within<'a>(paths: impl Iterator<Item = &'a str>, bytes_max: usize) -> Vec<String> {
    let mut bytes = 0;
    let fitting = paths.take_while(|path| {
        bytes += path.len() + 3;
        bytes <= bytes_max
    });
    fitting.map(str::to_owned).collect()
}
