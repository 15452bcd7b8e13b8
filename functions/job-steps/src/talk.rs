//! The conversation of a job's coding: its first message, its turns and what follows from them.

use crate::base::Base;
use crate::tools::TAMPERED;
use domain::billing::plans::tokens_of_bytes;
use domain::jobs::calls::ModelCall;
use domain::jobs::checks::named;
use domain::jobs::steps::{FailedChecks, IssueText, StepOutput, Steps, Verdict, WorkPlan};
use domain::jobs::turns::{ToolCall, Turn};
use domain::retry::Failure;
use domain::text::truncate;
use model_api::Message;
use serde_json::{Value, json};

const PROBLEM_BYTES_MAX: usize = 400;
const CHECKS_FAILED: &str = "The change is a pull request now, and these checks of the repository failed on it. Find the \
    fault in your change, correct it and submit again. Tests and settings of checks stay as they are.";

/// The first message, which never changes: providers read it from their cache.
pub fn first_message(
    issue_number: u64,
    order: &IssueText,
    plan: &WorkPlan,
    base: &Base,
    files: &[(String, String)],
) -> String {
    let files: Vec<Value> = files
        .iter()
        .map(|(path, content)| json!({ "path": path, "content": content }))
        .collect();
    json!({
        "issue": { "number": issue_number, "title": order.title, "body": order.body },
        "plan": plan.text,
        "instructions": base.instructions(),
        "files": files,
    })
    .to_string()
}

/// What the model reads about checks that failed. Their words are data in a document.
fn failed_checks(checks: &FailedChecks) -> String {
    let reports = checks.reports.iter();
    let reports: Vec<_> = reports
        .map(|report| json!({ "check": report.check, "says": report.says }))
        .collect();
    let failed = json!({ "failed": named(&checks.failed), "reports": reports });
    format!("{CHECKS_FAILED}\n{failed}")
}

pub struct Talk {
    first: String,
    /// What the reviews and the failed checks say that sent the change back, one for each round
    /// before this one.
    notes: Vec<String>,
    round: u32,
    turns: Vec<Turn>,
    /// How many turns were there when this worker took over.
    stored: usize,
}

impl Talk {
    pub fn new(first: String, steps: &Steps, round: u32, turns: Vec<Turn>) -> Self {
        let notes = steps.0.iter().filter_map(|step| match &step.output {
            StepOutput::Review(review) if review.verdict == Verdict::Rework => Some(format!(
                "A reviewer sent the change back. Correct it and submit again: {}",
                review.notes
            )),
            StepOutput::Checks(checks) => Some(failed_checks(checks)),
            _ => None,
        });
        Self {
            first,
            notes: notes.collect(),
            round,
            stored: turns.len(),
            turns,
        }
    }

    pub const fn round(&self) -> u32 {
        self.round
    }

    pub fn len(&self) -> u32 {
        u32::try_from(self.turns.len()).unwrap_or(u32::MAX)
    }

    pub fn last(&self) -> Option<&Turn> {
        self.turns.last()
    }

    pub fn push(&mut self, turn: Turn) {
        self.turns.push(turn);
    }

    /// Adds to the text that follows the results of the last turn.
    pub fn tell(&mut self, text: &str) {
        if let Some(turn) = self.turns.last_mut() {
            let before = turn.told.take();
            let before = before.map_or(String::new(), |told| format!("{told}\n"));
            turn.told = Some(before + text);
        }
    }

    /// All messages so far.
    pub fn messages(&self) -> Vec<Message<'_>> {
        let mut all = vec![Message::User(&self.first)];
        for (at, turn) in self.turns.iter().enumerate() {
            all.push(Message::Model {
                text: &turn.text,
                calls: &turn.calls,
            });
            let next_round = self.turns.get(at + 1).map_or(self.round, |next| next.round);
            let told = if next_round > turn.round {
                self.notes_of(turn.round)
            } else {
                turn.told.as_deref()
            };
            all.push(Message::Results {
                calls: &turn.calls,
                results: &turn.results,
                told,
            });
        }
        all
    }

    fn notes_of(&self, round: u32) -> Option<&str> {
        let notes = self.notes.get(usize::try_from(round).unwrap_or(usize::MAX));
        notes.map(String::as_str)
    }

    /// The most tokens of the next prompt: those of the last one and its answer, which the provider
    /// has counted, and what has come since. `frame` is what a first prompt has besides its message.
    pub fn prompt_tokens(&self, frame: u64) -> u64 {
        let Some(last) = self.turns.last() else {
            return frame.saturating_add(tokens_of_bytes(self.first.len()));
        };
        let results: usize = last
            .results
            .iter()
            .map(|result| result.text.len() + 40)
            .sum();
        let told = last.told.as_ref().map_or(0, String::len);
        let notes = self.notes_of(last.round).map_or(0, str::len);
        last.used
            .tokens
            .total()
            .saturating_add(tokens_of_bytes(results + told + notes + 100))
    }

    /// The calls of each turn with the turn's round.
    pub fn turns_of_calls(&self) -> Vec<(u32, Vec<ToolCall>)> {
        let turns = self.turns.iter();
        turns.map(|turn| (turn.round, turn.calls.clone())).collect()
    }

    /// The model calls of the present round.
    pub fn calls(&self) -> Vec<ModelCall> {
        let turns = self.turns.iter().filter(|turn| turn.round == self.round);
        turns.map(|turn| turn.used.clone()).collect()
    }

    /// Whether the last turn has submitted the change of this round.
    pub fn ends_with_submission(&self) -> bool {
        self.turns.last().is_some_and(|turn| {
            let mut ran = turn.calls.iter().zip(&turn.results);
            turn.round == self.round
                && ran.any(|(call, result)| call.name == "submit" && !result.failed)
        })
    }

    /// Whether this worker has made a turn.
    pub const fn has_advanced(&self) -> bool {
        self.turns.len() > self.stored
    }

    /// The failure of a model that makes no call, or the same calls that fail, several times in a
    /// row.
    pub fn ends_in_vain(&self, most: usize) -> Result<(), Failure> {
        let mut last = self.turns.iter().rev().take(most);
        let Some(turn) = last.next().filter(|_| self.turns.len() >= most) else {
            return Ok(());
        };
        let vain = |turn: &Turn| turn.calls.is_empty() || turn.results.iter().any(|one| one.failed);
        let same = |other: &Turn| {
            let what = |turn: &Turn| {
                let calls = turn.calls.iter();
                let calls = calls.map(|call| (call.name.clone(), call.input.clone()));
                calls.collect::<Vec<_>>()
            };
            other.round == turn.round && what(other) == what(turn)
        };
        if turn.round == self.round && vain(turn) && last.all(same) {
            return Err(self.unfinished("it repeats itself"));
        }
        Ok(())
    }

    /// The failure of a repair that touches the tests again after the tools refused that once.
    pub fn ends_by_tampering(&self) -> Result<(), Failure> {
        let turns = self.turns.iter().filter(|turn| turn.round == self.round);
        let refused = turns
            .flat_map(|turn| &turn.results)
            .filter(|result| result.failed && result.text.starts_with(TAMPERED));
        // The first refusal says what to undo.
        match refused.skip(1).last() {
            Some(again) => Err(Failure::never(again.text.clone())),
            None => Ok(()),
        }
    }

    /// The failure of a conversation that ends without a change, with the last problem that the
    /// tools have named.
    pub fn unfinished(&self, why: &str) -> Failure {
        let results = self.turns.iter().rev().flat_map(|turn| &turn.results);
        let problem = results
            .filter(|result| result.failed)
            .map(|result| truncate(&result.text, PROBLEM_BYTES_MAX))
            .find(|text| !text.starts_with("Not submitted, because"));
        Failure::never(match problem {
            Some(problem) => format!("the agent proposed no change: {why}. {problem}"),
            None => format!("the agent proposed no change: {why}"),
        })
    }
}
