//! Taking back what was reported: within a day, and never on an invoice that is final.

use crate::StripeApi;
use crate::error::StripeError;
use crate::fields::words;
use serde::Deserialize;
use serde_json::json;

words! {
    /// How far taking back has come.
    AdjustmentStatus {
        /// Stripe is at it.
        Pending = "pending",
        /// It is done.
        Complete = "complete",
    }
}

#[derive(Deserialize)]
struct Adjustment {
    status: AdjustmentStatus,
}

const ADJUST: &str = "take the usage back";

impl StripeApi {
    /// Takes back one report, by the identifier it was made with.
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
