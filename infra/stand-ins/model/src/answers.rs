//! Default answers for unscripted calls: one function per step, each computed only from the
//! question's JSON.

use super::Talk;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Issue {
    number: u64,
    #[serde(default)]
    title: String,
    body: Option<String>,
}

#[derive(Deserialize)]
struct File {
    path: String,
    content: String,
}

#[derive(Deserialize)]
struct PlanAsked {
    issue: Issue,
    tree: Vec<String>,
}

#[derive(Deserialize)]
struct CodeAsked {
    issue: Issue,
    #[serde(default)]
    plan: String,
    #[serde(default)]
    files: Vec<File>,
    /// What a reviewer says about the last change.
    #[serde(skip)]
    notes: Option<String>,
    /// What failed checks say about the last change.
    #[serde(skip)]
    checks: Option<String>,
    /// Whether one of the last calls has failed.
    #[serde(skip)]
    failed: bool,
}

#[derive(Deserialize)]
struct ReviewAsked {
    diff: String,
}

/// A call of a tool.
pub(super) struct Call {
    pub(super) name: String,
    pub(super) input: Value,
}

/// The calls that an answer stands for.
pub(super) fn calls(answer: &str) -> Option<Vec<Call>> {
    let answer: Value = serde_json::from_str(answer).ok()?;
    if let Some(calls) = answer["calls"].as_array() {
        let call = |call: &Value| Call {
            name: call["name"].as_str().unwrap_or_default().to_owned(),
            input: call["input"].clone(),
        };
        return Some(calls.iter().map(call).collect());
    }
    let changes = answer["changes"].as_array()?.iter().map(|change| {
        let name = if change["delete"] == true {
            "delete"
        } else if change["content"].is_string() {
            "write"
        } else {
            "edit"
        };
        Call {
            name: name.to_owned(),
            input: change.clone(),
        }
    });
    let submit = Call {
        name: "submit".to_owned(),
        input: json!({ "title": answer["title"], "body": answer["body"] }),
    };
    Some(changes.chain([submit]).collect())
}

/// The answer for a step. An unreadable question gets a plain sentence, as a confused model would
/// answer.
pub(super) fn made_up(step: &str, talk: &Talk) -> String {
    let question = talk.question.as_str();
    let answer = match step {
        "plan" => serde_json::from_str(question).map(plan),
        "code" => serde_json::from_str(question).map(|mut asked: CodeAsked| {
            let last = talk.told.last();
            asked.notes = last.filter(|told| told.contains("reviewer")).cloned();
            asked.checks = last.filter(|told| told.contains("checks")).cloned();
            asked.failed = talk.failed;
            code(asked)
        }),
        "review" => serde_json::from_str(question).map(review),
        "generate_summary" => serde_json::from_str(question).map(summary),
        "analyze_tests" => serde_json::from_str(question).map(scores),
        "integrate_tests" => serde_json::from_str(question).map(integrated),
        _ => return format!("I know no step called {step:?}."),
    };
    answer.map_or_else(
        |error| format!("I could not read the question: {error}."),
        |answer| answer.to_string(),
    )
}

fn plan(asked: PlanAsked) -> Value {
    let issue = &asked.issue;
    let said = format!("{}\n{}", issue.title, issue.text());
    let mut files: Vec<&String> = asked
        .tree
        .iter()
        .filter(|path| said.contains(path.as_str()))
        .collect();
    if files.is_empty() {
        files.extend(
            asked
                .tree
                .iter()
                .find(|path| *path == "README.md")
                .or(asked.tree.first()),
        );
    }
    let note = note_path(issue.number);
    files.extend(asked.tree.iter().find(|path| **path == note));
    json!({"plan": format!("Resolve issue {}: {}", issue.number, issue.title), "files": files})
}

fn code(asked: CodeAsked) -> Value {
    let wanted = replacements(asked.issue.text());
    let mut changes: Vec<Value> = asked
        .files
        .iter()
        .flat_map(|file| replaced(file, &wanted, asked.failed))
        .collect();
    if changes.is_empty() {
        changes.push(note(&asked));
    }
    if asked.notes.is_some() || asked.checks.is_some() {
        // The change is made already.
        changes.clear();
    }
    // What the checks say to replace is in what the change has written.
    let said = asked.checks.as_deref().unwrap_or_default();
    if let Some(file) = asked.files.first() {
        let edits = replacements(said).into_iter();
        changes.extend(edits.map(|(old, new)| json!({"path": file.path, "old": old, "new": new})));
    }
    let Issue { number, title, .. } = &asked.issue;
    let mut body = format!("{}\n\nResolves #{number}.", asked.plan);
    if let Some(notes) = asked.notes.filter(|notes| !notes.is_empty()) {
        body.push_str(&format!("\n\nReworked after review: {notes}"));
    }
    json!({"title": title, "body": body.trim_start(), "changes": changes})
}

fn review(asked: ReviewAsked) -> Value {
    if asked.diff.trim().is_empty() {
        json!({"verdict": "rework", "notes": "The diff is empty."})
    } else {
        json!({"verdict": "approve", "notes": "The change does what the plan says."})
    }
}

#[derive(Deserialize)]
struct AnalysisAsked {
    code: Option<File>,
    tests: Vec<File>,
}

/// Scores each file by its tests and assertions, and by whether it mentions the code's name.
fn scores(asked: AnalysisAsked) -> Value {
    let count = |text: &str, words: [&str; 3]| {
        words
            .iter()
            .map(|word| text.matches(word).count())
            .sum::<usize>()
    };
    let stem = asked.code.as_ref().and_then(|code| {
        code.path
            .rsplit('/')
            .next()?
            .split('.')
            .next()
            .map(str::to_owned)
    });
    let score = |file: &File| {
        let tests = count(&file.content, ["#[test]", "it(", "def test_"]);
        let checks = count(&file.content, ["assert", "expect(", "should"]);
        let named = stem
            .as_ref()
            .is_some_and(|stem| file.content.contains(stem) || file.path.contains(stem));
        let score = (tests * 10 + checks * 5 + if named { 40 } else { 0 }).min(100);
        let reason = format!("{tests} test(s), {checks} check(s); names the code: {named}");
        json!({ "path": file.path, "score": score, "reason": reason })
    };
    json!({ "scores": asked.tests.iter().map(score).collect::<Vec<_>>() })
}

#[derive(Deserialize)]
struct IntegrationAsked {
    target: File,
    tests: Vec<File>,
}

/// The target file with the tests appended.
fn integrated(asked: IntegrationAsked) -> Value {
    let mut content = asked.target.content.trim_end().to_owned();
    for test in asked.tests {
        content.push_str(&format!("\n\n{}", test.content.trim_end()));
    }
    json!({ "path": asked.target.path, "content": content + "\n" })
}

#[derive(Deserialize)]
struct SummaryAsked {
    diff: String,
}

/// Summarizes a diff by its files and its numbers of added and removed lines.
fn summary(asked: SummaryAsked) -> Value {
    let paths: Vec<&str> = asked
        .diff
        .lines()
        .filter_map(|line| line.strip_prefix("diff --git a/")?.split(" b/").next())
        .collect();
    let count = |sign: char, head: &str| {
        asked
            .diff
            .lines()
            .filter(|line| line.starts_with(sign) && !line.starts_with(head))
            .count()
    };
    let (added, removed) = (count('+', "+++ "), count('-', "--- "));
    let names = paths.join(", ");
    json!({"summary": format!("Changes {} file(s): {names}. {added} line(s) added, {removed} removed.", paths.len())})
}

impl Issue {
    fn text(&self) -> &str {
        self.body.as_deref().unwrap_or_default()
    }
}

/// Every "Replace `A` with `B`" in a text. The first letter may be lower case.
fn replacements(text: &str) -> Vec<(&str, &str)> {
    text.split("eplace `").skip(1).filter_map(pair).collect()
}

/// `A` and `B` of "A` with `B`…".
fn pair(text: &str) -> Option<(&str, &str)> {
    let (old, rest) = text.split_once("` with `")?;
    let (new, _) = rest.split_once('`')?;
    (!old.is_empty() && !old.contains('`')).then_some((old, new))
}

/// The changes that replace every wanted text of a file: an edit for each that occurs once, or the
/// whole file if one of them does not.
fn replaced(file: &File, wanted: &[(&str, &str)], whole: bool) -> Vec<Value> {
    let mut content = file.content.clone();
    let mut edits = Vec::new();
    let mut once = !whole;
    for (old, new) in wanted.iter().filter(|(old, new)| old != new) {
        match content.matches(old).count() {
            0 => continue,
            1 => edits.push(json!({"path": file.path, "old": old, "new": new})),
            _ => once = false,
        }
        content = content.replace(old, new);
    }
    if content == file.content {
        Vec::new()
    } else if once {
        edits
    } else {
        vec![json!({"path": file.path, "content": content})]
    }
}

fn note_path(number: u64) -> String {
    format!("docs/notes/issue-{number}.md")
}

/// The file that is written when there is nothing to replace, so that every issue leads to a
/// change.
fn note(asked: &CodeAsked) -> Value {
    let Issue { number, title, .. } = &asked.issue;
    let path = note_path(*number);
    let before = asked
        .files
        .iter()
        .find(|file| file.path == path)
        .map(|file| format!("{}\n", file.content));
    let section = format!("## {title}\n\n{}\n", asked.issue.text().trim());
    json!({"path": path, "content": before.unwrap_or_default() + &section})
}
