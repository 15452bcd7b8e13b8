//! Real fixes, played with the agent's tools: each edit is read first, then made, and the file must
//! come out byte for byte.

use crate::cases::{Case, Data};
use agent::snapshot::Snapshot;
use agent::tools::{EditError, ToolError, Workspace};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

/// How much a player reads around an edit.
const AROUND_LINES: usize = 40;

#[derive(Default)]
struct Played {
    edits: usize,
    /// Edits that were refused as ambiguous first.
    widened: usize,
    refused: Vec<String>,
    read_bytes: usize,
}

/// Prints one line a case, and the sums to stderr. Fails if a file came out differently.
pub fn measure(data: &Path) -> Result<ExitCode, Box<dyn Error>> {
    let data = Data::load(data)?;
    let (mut equal, mut all) = (0, 0);
    let (mut edits, mut widened) = (0, 0);
    for case in &data.cases {
        let Some(base) = data.base(case)? else {
            continue;
        };
        let (played, same) = play(&data, case, &base)?;
        println!(
            "{}",
            json!({
                "id": case.id,
                "equal": same,
                "edits": played.edits,
                "widened": played.widened,
                "refused": played.refused,
                "read_bytes": played.read_bytes,
            })
        );
        all += 1;
        equal += usize::from(same);
        edits += played.edits;
        widened += played.widened;
    }
    eprintln!(
        "{equal} of {all} fixes are equal byte for byte; {edits} edits, {widened} after more context"
    );
    if let Some(text) = data.missing() {
        eprintln!("{text}");
    }
    let whole = equal == all && data.missing().is_none();
    Ok(if whole {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn play(data: &Data, case: &Case, base: &Snapshot) -> Result<(Played, bool), Box<dyn Error>> {
    let mut workspace = Workspace::new(base);
    let mut played = Played::default();
    for (number, edit) in case.edits.iter().enumerate() {
        let lines = edit.old.lines().count();
        let first = edit.line.saturating_sub(AROUND_LINES).max(1);
        let last = edit.line + lines + AROUND_LINES;
        played.read_bytes += workspace.read(&edit.file, first, last)?.len();
        played.edits += 1;
        let mut made = workspace.edit(&edit.file, &edit.old, &edit.new);
        if let Err(ToolError::Edit(EditError::Ambiguous { .. })) = &made
            && let Some((old, new)) = data.wider(case, number)
        {
            played.widened += 1;
            made = workspace.edit(&edit.file, old, new);
        }
        if let Err(error) = made {
            played.refused.push(format!("{}: {error}", edit.file));
        }
    }
    let same = |path: &String, wanted: &String| {
        let bytes = workspace.content(path).unwrap_or_default();
        hex::encode(Sha256::digest(bytes)) == *wanted
    };
    let equal = case
        .fixed_sha256
        .iter()
        .all(|(path, hash)| same(path, hash));
    let others = workspace.changed()?.len() == case.fixed_sha256.len();
    Ok((played, equal && others))
}
