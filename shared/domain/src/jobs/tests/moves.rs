//! Every transition that exists, for the tests of the whole state machine.

use super::*;

/// The observable result of one transition.
pub struct Seen {
    pub from_state: JobState,
    pub from_version: u64,
    pub row: JobRow,
    pub entered: Option<JobState>,
    pub step: Option<Step>,
    pub money: BillingEffect,
    pub frees_issue: bool,
}

pub fn seen(transition: &Transition) -> Seen {
    Seen {
        from_state: transition.from_state(),
        from_version: transition.from_version(),
        row: transition.row().clone(),
        entered: transition.entered().map(|moment| moment.state),
        step: transition.step().cloned(),
        money: transition.money(),
        frees_issue: transition.frees_issue(),
    }
}

/// The transitions of every lease, whatever its work.
fn any_lease<W>(lease: impl Fn() -> JobLease<W>) -> Vec<Seen> {
    let mut moves = vec![lease().fail("f", NOW)];
    moves.extend(
        failures()
            .iter()
            .map(|failure| lease().failed(failure, 0, NOW)),
    );
    moves.iter().map(seen).collect()
}

pub fn lease<S: Leasable>(job: Job<S>) -> JobLease<S::Working> {
    job.claim(UNTIL, NOW).expect("nobody holds it").granted()
}

/// Every transition of a job in a state. Taking a claim is a transition too, and a lease's
/// transitions start from the state that its claim wrote.
#[expect(clippy::too_many_lines, reason = "one story or table of cases")]
pub fn moves(row: &JobRow) -> Vec<Seen> {
    macro_rules! job {
        ($stage:ident) => {
            || match row.clone().staged() {
                Staged::$stage(job) => job,
                other => panic!("{other:?}"),
            }
        };
    }
    fn claimed<S: Leasable>(job: Job<S>) -> Seen {
        seen(job.claim(UNTIL, NOW).expect("nobody holds it").transition())
    }
    match row.clone().staged() {
        Staged::Delegated(job) => {
            let again = job!(Delegated);
            let moves = [
                again().delivered(pull(), NOW),
                again().given_up("why", NOW),
                again().waits(NOW),
                job.cancel("c", NOW),
            ];
            moves.iter().map(seen).collect()
        }
        Staged::Queued(job) => vec![seen(&job.cancel("c", NOW)), claimed(job!(Queued)())],
        Staged::Planning(job) => {
            let (again, plan) = (
                job!(Planning),
                WorkPlan {
                    text: "p".to_owned(),
                    files: vec![],
                },
            );
            let mut moves = any_lease(|| lease(again()));
            moves.push(seen(&lease(again()).cancelled("c", NOW)));
            moves.push(seen(
                &lease(again()).planned("sha".to_owned(), step(StepOutput::Plan(plan))),
            ));
            moves.extend([seen(&job.cancel("c", NOW)), claimed(again())]);
            moves
        }
        Staged::Coding(job) => {
            let again = job!(Coding);
            let mut moves = any_lease(|| lease(again()));
            moves.push(seen(
                &lease(again()).coded(step(StepOutput::Code(proposal()))),
            ));
            moves.extend([seen(&job.cancel("c", NOW)), claimed(again())]);
            moves
        }
        Staged::Reviewing(job) => {
            let again = job!(Reviewing);
            let mut moves = any_lease(|| lease(again()));
            for verdict in [Verdict::Approve, Verdict::Rework, Verdict::Reject] {
                let (review, step) = review(verdict);
                moves.push(seen(&lease(again()).reviewed(&review, step)));
            }
            moves.extend([seen(&job.cancel("c", NOW)), claimed(again())]);
            moves
        }
        Staged::Approved(job) => vec![seen(&job.cancel("c", NOW)), claimed(job!(Approved)())],
        Staged::Opening(job) => {
            let again = job!(Opening);
            let mut moves = any_lease(|| lease(again()));
            moves.push(seen(&lease(again()).opened(pull(), None, NOW)));
            let sha = "c1".to_owned();
            moves.push(seen(&lease(again()).validating(pull(), None, sha, NOW)));
            moves.push(seen(&lease(again()).cancelled(NOW)));
            moves.extend([seen(&job.request_cancel("c", NOW)), claimed(again())]);
            moves
        }
        Staged::Validating(job) => {
            let again = job!(Validating);
            let mut moves = any_lease(|| lease(again()));
            let ends = [
                lease(again()).delivered("green", NOW),
                lease(again()).merged(NOW),
                lease(again()).closed(NOW),
                lease(again()).cancelled(NOW),
                again().merged(NOW),
                job.request_cancel("c", NOW),
            ];
            moves.extend(ends.iter().map(seen));
            let checks = FailedChecks {
                failed: BTreeSet::new(),
                reports: Vec::new(),
            };
            moves.push(seen(&lease(again()).repairing(checks, NOW)));
            moves.push(claimed(again()));
            moves
        }
        Staged::Repairing(job) => {
            let again = job!(Repairing);
            let mut moves = any_lease(|| lease(again()));
            moves.push(seen(
                &lease(again()).coded(step(StepOutput::Code(proposal()))),
            ));
            let ends = [
                again().merged(NOW),
                again().stopped(NOW),
                job.request_cancel("c", NOW),
            ];
            moves.extend(ends.iter().map(seen));
            moves.push(claimed(again()));
            moves
        }
        Staged::Opened(job) => vec![seen(&job.merged(NOW)), seen(&job!(Opened)().closed(NOW))],
        Staged::Closed(job) => vec![seen(&job.merged(NOW))],
        Staged::Merged(_) | Staged::Rejected(_) | Staged::Failed(_) | Staged::Cancelled(_) => {
            vec![]
        }
    }
}
