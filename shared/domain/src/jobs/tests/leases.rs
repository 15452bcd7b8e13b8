//! Tests leases: attempts, postponed work, and work whose worker has died.

use super::*;

#[test]
fn work_is_given_back_until_it_has_been_tried_often_enough() {
    for (attempts, expected) in [
        (0, JobState::Coding),
        (ATTEMPTS_MAX - 2, JobState::Coding),
        (ATTEMPTS_MAX - 1, JobState::Failed),
    ] {
        let row = JobRow {
            attempts,
            ..at(JobState::Coding)
        };
        let Staged::Coding(job) = row.staged() else {
            panic!("coding")
        };
        let transition = lease(job).give_back("why", UNTIL, NOW);
        assert_eq!(transition.row().state, expected, "after {attempts}");
        if expected == JobState::Failed {
            assert_eq!(
                transition.row().reason.as_deref(),
                Some("gave up after 12 attempts: why")
            );
        } else {
            assert_eq!(
                (transition.row().attempts, transition.row().due_at),
                (attempts + 1, Some(UNTIL))
            );
        }
    }
    let Staged::Coding(job) = at(JobState::Coding).staged() else {
        panic!("coding")
    };
    assert_eq!(
        lease(job).postpone(UNTIL, NOW).row().attempts,
        3,
        "waiting is no try"
    );
}

/// Whatever message arrives, a rate limit is waited out, and a failed attempt is not repeated
/// immediately.
#[test]
fn postponed_work_is_not_begun_before_its_moment() {
    let Staged::Coding(job) = at(JobState::Coding).staged() else {
        panic!("coding")
    };
    let waiting = lease(job).postpone(UNTIL, NOW).row().clone();
    let claim = |now| match waiting.clone().staged() {
        Staged::Coding(job) => job.claim(UNTIL.plus(Duration::from_secs(300)), now),
        other => panic!("{other:?}"),
    };
    let just_before = Timestamp::from_millis(UNTIL.millis() - 1);
    assert_eq!(claim(just_before).err().map(|held| held.until), Some(UNTIL));
    let begun = claim(UNTIL).expect("it is time").granted();
    assert_eq!((begun.row().not_before, begun.row().attempts), (None, 3));
}

#[test]
fn a_lease_keeps_others_away_until_it_runs_out() {
    let held = JobRow {
        lease_until: Some(UNTIL),
        ..at(JobState::Coding)
    };
    let claim = |now| match held.clone().staged() {
        Staged::Coding(job) => job.claim(UNTIL.plus(Duration::from_secs(300)), now),
        other => panic!("{other:?}"),
    };
    let just_before = Timestamp::from_millis(UNTIL.millis() - 1);
    assert_eq!(claim(just_before).err().map(|held| held.until), Some(UNTIL));
    let taken = claim(UNTIL).expect("it has run out").granted();
    assert_eq!(
        taken.row().attempts,
        4,
        "a lease that ran out was a try that failed without a word"
    );
    assert_eq!(
        taken.row().due_at,
        taken.row().lease_until,
        "when it runs out, the row is due"
    );
    let Staged::Coding(job) = at(JobState::Coding).staged() else {
        panic!("coding")
    };
    assert_eq!(
        lease(job).row().attempts,
        3,
        "one that was given up was none"
    );
}
