//! Cancelling reported usage, which Stripe allows within a day and never on a final invoice.

use crate::StripeApi;
use crate::error::StripeError;
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

impl StripeApi {
    /// Cancels a report by its identifier.
    pub async fn meter_event_adjust(
        &self,
        event_name: &str,
        identifier: &str,
        key: &str,
    ) -> Result<AdjustmentStatus, StripeError> {
        let form = json!({ "event_name": event_name, "type": "cancel", "cancel": { "identifier": identifier } });
        let adjustment: Adjustment = self
            .to(ADJUST)
            .write(&["billing", "meter_event_adjustments"], form, key)
            .await?;
        Ok(adjustment.status)
    }
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
        assert_eq!(status, AdjustmentStatus::Pending);
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
