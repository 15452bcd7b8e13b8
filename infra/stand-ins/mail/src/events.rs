//! Feedback events of mails, as SES publishes them through a configuration set and SNS with raw
//! delivery.

use axum::extract::{Path, State as From};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde_json::{Value, json};

use super::{Fate, Letter, MailBox, State};
use stand_in_shared::dates;
use stand_in_shared::html::{Markup, all, button};

/// The domain of SES's mailbox simulator, whose addresses behave the same on every account.
const SIMULATOR: &str = "@simulator.amazonses.com";

impl MailBox {
    /// The feedback events since the last call, oldest first.
    pub fn outbox_take(&self) -> Vec<Value> {
        std::mem::take(&mut self.lock().outbox)
    }

    fn turns(&self, id: &str, fate: Fate) -> Response {
        let at = (self.now)();
        match self.lock().meets(id, fate, at) {
            Met::Now | Met::Before => Redirect::to("../../../mail").into_response(),
            Met::NoLetter => StatusCode::NOT_FOUND.into_response(),
        }
    }
}

pub(super) enum Met {
    Now,
    Before,
    NoLetter,
}

impl State {
    /// What happens to mail to this address.
    pub(super) fn fate(&self, to: &str) -> Fate {
        let local = to
            .strip_suffix(SIMULATOR)
            .map(|local| local.split('+').next().unwrap_or_default());
        match local {
            Some("bounce" | "suppressionlist") => Fate::Bounced,
            Some("complaint") => Fate::Complained,
            _ if self.bouncing.contains(to) => Fate::Bounced,
            _ => Fate::Delivered,
        }
    }

    /// Applies a fate to a mail and queues its feedback event, if the mail has a configuration set.
    pub(super) fn meets(&mut self, id: &str, fate: Fate, at: i64) -> Met {
        let Some(letter) = self.letters.iter_mut().find(|letter| letter.id == id) else {
            return Met::NoLetter;
        };
        if letter.fate == fate {
            return Met::Before;
        }
        letter.fate = fate;
        if letter.configuration_set.is_some() {
            self.outbox.extend(told(letter, at));
        }
        Met::Now
    }
}

fn told(letter: &Letter, at: i64) -> Option<Value> {
    let (id, at) = (format!("{}-feedback", letter.id), dates::iso(at));
    let (kind, what) = match letter.fate {
        Fate::Delivered => return None,
        Fate::Bounced => {
            let recipient = json!({
                "emailAddress": letter.to, "action": "failed", "status": "5.1.1",
                "diagnosticCode": "smtp; 550 5.1.1 user unknown",
            });
            let bounce = json!({
                "feedbackId": id, "bounceType": "Permanent", "bounceSubType": "General",
                "bouncedRecipients": [recipient], "timestamp": at,
                "reportingMTA": "dsn; mail.stand-in",
            });
            ("Bounce", bounce)
        }
        Fate::Complained => {
            let complaint = json!({
                "feedbackId": id, "complaintSubType": null, "complaintFeedbackType": "abuse",
                "complainedRecipients": [{ "emailAddress": letter.to }], "timestamp": at, "arrivalDate": at,
            });
            ("Complaint", complaint)
        }
    };
    let mail = json!({
        "timestamp": dates::iso(letter.at), "messageId": letter.id, "source": letter.from,
        "destination": [letter.to], "tags": { "reference": [letter.reference] },
    });
    Some(json!({ "eventType": kind, kind.to_ascii_lowercase(): what, "mail": mail }))
}

/// Buttons with which a person decides what happens to a mail.
pub(super) fn buttons(letter: &Letter) -> Markup {
    match letter.fate {
        Fate::Delivered => all([
            button(&format!("mail/letters/{}/bounce", letter.id), "Bounce"),
            button(
                &format!("mail/letters/{}/complain", letter.id),
                "Mark as spam",
            ),
        ]),
        Fate::Bounced | Fate::Complained => all([]),
    }
}

pub(super) async fn bounce(From(mail): From<MailBox>, Path(id): Path<String>) -> Response {
    mail.turns(&id, Fate::Bounced)
}

pub(super) async fn complain(From(mail): From<MailBox>, Path(id): Path<String>) -> Response {
    mail.turns(&id, Fate::Complained)
}
