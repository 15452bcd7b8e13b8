//! What a receiver must guarantee: an event that it answers with a 2xx is stored, and a redelivery
//! queues an event again that is stored and unfinished.

use crate::aws::Health;
use crate::stage::{Run, Stage};
use crate::webhook::{Coming, Webhook};
use serde_json::json;
use std::error::Error;
use std::time::Duration;

/// A check, and its fault if it failed.
pub struct Check {
    pub name: &'static str,
    /// The unexpected result.
    pub fault: Option<String>,
}

/// The result of one webhook: the answer's status, and the numbers of items and messages under its
/// id.
type Seen = (u64, usize, usize);

struct Checks<'a> {
    stage: &'a Stage,
    run: Run<'a>,
    number: u32,
    done: Vec<Check>,
}

/// Runs all checks on one process. Each check leaves an empty table and healthy services to the
/// next.
pub fn all(stage: &Stage) -> Result<Vec<Check>, Box<dyn Error>> {
    stage.reset(Duration::ZERO, Duration::ZERO);
    let mut checks = Checks {
        stage,
        run: stage.run()?,
        number: 0,
        done: Vec::new(),
    };
    checks.ordinary()?;
    checks.refused()?;
    checks.failing()?;
    Ok(checks.done)
}

impl Checks<'_> {
    fn ordinary(&mut self) -> Result<(), Box<dyn Error>> {
        let one = self.fresh();
        self.expect(
            "a new one is stored and queued",
            &one,
            Coming::Signed,
            (202, 1, 1),
        )?;
        self.expect(
            "a repeat of a pending event is queued again",
            &one,
            Coming::Signed,
            (202, 1, 2),
        )?;
        self.expect(
            "the same in base64 is the same",
            &one,
            Coming::Base64,
            (202, 1, 3),
        )?;
        self.expect(
            "another body under its id is set aside, not queued",
            &one.tampered(),
            Coming::Signed,
            (202, 2, 3),
        )?;
        self.finish(&one);
        self.expect(
            "a repeat of a finished one is not queued",
            &one,
            Coming::Signed,
            (202, 2, 3),
        )?;
        self.fail(&one);
        self.expect(
            "a repeat of a failed one is pending and queued again",
            &one,
            Coming::Signed,
            (202, 2, 4),
        )?;
        self.expect(
            "and is pending for the next repeat",
            &one,
            Coming::Signed,
            (202, 2, 5),
        )?;
        let one = self.fresh();
        self.expect(
            "base64 is stored and queued",
            &one,
            Coming::Base64,
            (202, 1, 1),
        )?;
        let one = self.fresh();
        self.stage.aws().hang_up();
        self.expect(
            "connections that AWS closed meanwhile",
            &one,
            Coming::Signed,
            (202, 1, 1),
        )
    }

    fn refused(&mut self) -> Result<(), Box<dyn Error>> {
        let one = self.fresh();
        self.expect("a forged one is refused", &one, Coming::Forged, (401, 0, 0))?;
        self.expect(
            "an unsigned one is refused",
            &one,
            Coming::Unsigned,
            (401, 0, 0),
        )
    }

    fn failing(&mut self) -> Result<(), Box<dyn Error>> {
        let one = self.fresh();
        self.stage.aws().table = Health::FailingOnce;
        self.expect("DynamoDB fails once", &one, Coming::Signed, (202, 1, 1))?;

        let one = self.fresh();
        self.stage.aws().table = Health::Failing;
        self.expect(
            "DynamoDB fails: no 2xx, not queued",
            &one,
            Coming::Signed,
            (503, 0, 0),
        )?;
        self.stage.aws().table = Health::Good;
        self.expect(
            "then recovers: the redelivery is stored and queued",
            &one,
            Coming::Signed,
            (202, 1, 1),
        )?;

        let one = self.fresh();
        self.stage.aws().table = Health::LosingOnce;
        self.expect(
            "the put's answer is lost",
            &one,
            Coming::Signed,
            (202, 1, 1),
        )?;

        let one = self.fresh();
        self.stage.aws().queue = Health::FailingOnce;
        self.expect("SQS fails once", &one, Coming::Signed, (202, 1, 1))?;

        let one = self.fresh();
        self.stage.aws().queue = Health::Failing;
        self.expect(
            "SQS fails after the put: stored, so a 2xx",
            &one,
            Coming::Signed,
            (202, 1, 0),
        )?;
        self.stage.aws().queue = Health::Good;
        self.expect(
            "then recovers: the redelivery is queued",
            &one,
            Coming::Signed,
            (202, 1, 1),
        )
    }

    /// A new webhook.
    fn fresh(&mut self) -> Webhook {
        self.number += 1;
        let (event, body) = self.stage.vendor().sample();
        Webhook::new(self.stage.vendor(), event, &body, self.number)
    }

    fn expect(
        &mut self,
        name: &'static str,
        webhook: &Webhook,
        coming: Coming,
        expected: Seen,
    ) -> Result<(), Box<dyn Error>> {
        let (answer, _) = self.run.feed(webhook, coming)?;
        let aws = self.stage.aws();
        // A body may be stored apart from its head, so only heads are counted.
        let heads = aws
            .items
            .keys()
            .filter(|(pk, sk)| pk.contains(&webhook.id) && sk == "HEAD")
            .count();
        let messages = aws
            .messages
            .iter()
            .filter(|message| message.contains(&webhook.id))
            .count();
        let seen = (answer.status, heads, messages);
        let say = |(status, items, messages): Seen| {
            format!("{status}, {items} stored, {messages} queued")
        };
        let fault =
            (seen != expected).then(|| format!("expected {}; saw {}", say(expected), say(seen)));
        drop(aws);
        self.done.push(Check { name, fault });
        Ok(())
    }

    /// Finishes the event's row, as the function that processes the event does.
    fn finish(&self, webhook: &Webhook) {
        self.end(webhook, "#pending#", "#processed#");
    }

    /// Marks the event's row as failed, as the same function does.
    fn fail(&self, webhook: &Webhook) {
        self.end(webhook, "#processed#", "#failed#");
    }

    fn end(&self, webhook: &Webhook, from: &str, to: &str) {
        for ((pk, _), item) in &mut self.stage.aws().items {
            if pk.ends_with(&webhook.id)
                && let Some(state) = item["sx"]["S"].as_str()
            {
                item["sx"]["S"] = state.replace(from, to).into();
                item["fin"] = json!({ "N": "1795210980000" });
            }
        }
    }
}
