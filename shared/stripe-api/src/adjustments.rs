//! Cancelling reported usage, which Stripe allows within a day and never on a final invoice.

use crate::StripeApi;
use crate::error::{Refusal, StripeError};
use crate::fields::open_words;
use serde::Deserialize;
use serde_json::json;

open_words! {
    AdjustmentStatus {
        Pending = "pending",
        Complete = "complete",
    }
}

#[derive(Deserialize)]
struct Adjustment {
    status: AdjustmentStatus,
}

const ADJUST: &str = "take the usage back";

/// The result of cancelling a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Adjusted {
    /// Stripe cancels it, now or in a moment.
    Accepted(AdjustmentStatus),
    /// It was cancelled before.
    AlreadyCanceled,
}

impl StripeApi {
    /// Cancels a report by its identifier.
    pub async fn meter_event_adjust(
        &self,
        event_name: &str,
        identifier: &str,
        key: &str,
    ) -> Result<Adjusted, StripeError> {
        let form = json!({ "event_name": event_name, "type": "cancel", "cancel": { "identifier": identifier } });
        let adjustment: Result<Adjustment, _> = self
            .to(ADJUST)
            .write(&["billing", "meter_event_adjustments"], form, key)
            .await;
        match adjustment {
            Ok(adjustment) => Ok(Adjusted::Accepted(adjustment.status)),
            Err(StripeError::Refused { refusal, .. }) if is_canceled(&refusal) => {
                Ok(Adjusted::AlreadyCanceled)
            }
            Err(error) => Err(error),
        }
    }
}

/// Stripe has no error code for a report that is already cancelled, only a message.
fn is_canceled(refusal: &Refusal) -> bool {
    refusal.status == 400 && refusal.message.contains("already been canceled")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Peer, Reply};

    #[tokio::test]
    async fn a_report_is_taken_back_by_its_identifier() {
        let peer = Peer::script([Reply::ok(
            r#"{"object":"billing.meter_event_adjustment","cancel":{"identifier":"use_1"},"event_name":"pull_requests",
                "livemode":false,"status":"pending","type":"cancel"}"#,
        )]);
        let status = peer
            .api()
            .meter_event_adjust("pull_requests", "use_1", "adjust-1")
            .await
            .expect("an answer");
        assert_eq!(status, Adjusted::Accepted(AdjustmentStatus::Pending));
        let heard = &peer.heard()[0];
        assert_eq!(heard.line, "POST /v1/billing/meter_event_adjustments");
        assert_eq!(heard.header("idempotency-key"), "adjust-1");
        assert_eq!(
            heard.fields(),
            [
                "cancel[identifier]=use_1",
                "event_name=pull_requests",
                "type=cancel"
            ]
        );
    }
}
