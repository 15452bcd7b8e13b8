//! Reporting usage. Stripe counts reports with the same identifier once.

use crate::StripeApi;
use crate::error::{Origin, Refusal, StripeError};
use crate::meters::{CUSTOMER_FIELD, VALUE_FIELD};
use domain::ids::CustomerId;
use domain::time::Timestamp;
use std::collections::HashMap;
use stripe_billing::billing_meter_event::CreateBillingMeterEvent;
use stripe_client_core::{IdempotencyKey, RequestStrategy, StripeRequest};

/// One billable fact, unchanged since its creation.
pub struct UsageReport<'a> {
    pub event_name: &'a str,
    pub customer: &'a CustomerId,
    pub value: u64,
    /// Stripe counts reports with the same identifier once. At most 100 characters.
    pub identifier: &'a str,
    /// The idempotency key. Stripe rejects a key that it knows with other parameters, so it changes
    /// with the timestamp.
    pub key: &'a str,
    pub timestamp: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reported {
    /// Stripe accepted the report; whether it counts is decided later.
    Accepted,
    AlreadyThere,
}

const OPERATION: &str = "report the usage";

impl StripeApi {
    /// Reports one fact. Stripe remembers the identifier for at least 24 hours and counts repeated
    /// reports once within that time.
    pub async fn usage_report(&self, report: &UsageReport<'_>) -> Result<Reported, StripeError> {
        let key = IdempotencyKey::new(report.key).map_err(|_| StripeError::Unaskable {
            operation: OPERATION,
            why: "the idempotency key is none",
        })?;
        let answer = match self
            .usage_send(report, RequestStrategy::Idempotent(key))
            .await
        {
            // Stripe stores a failure with its idempotency key and replays it. Without a key Stripe
            // tries again, and the identifier still makes both reports one.
            Err(StripeError::Unavailable {
                refusal:
                    Refusal {
                        origin: Origin::Replayed,
                        ..
                    },
                ..
            }) => self.usage_send(report, RequestStrategy::Once).await,
            other => other,
        };
        match answer {
            // An unreadable response to an accepted report does not change that it was accepted.
            Ok(()) | Err(StripeError::Malformed { .. }) => Ok(Reported::Accepted),
            Err(StripeError::Refused { refusal, .. }) if is_duplicate(&refusal) => {
                Ok(Reported::AlreadyThere)
            }
            Err(error) => Err(error),
        }
    }

    async fn usage_send(
        &self,
        report: &UsageReport<'_>,
        strategy: RequestStrategy,
    ) -> Result<(), StripeError> {
        let payload = HashMap::from([
            (CUSTOMER_FIELD.to_owned(), report.customer.to_string()),
            (VALUE_FIELD.to_owned(), report.value.to_string()),
        ]);
        let event = CreateBillingMeterEvent::new(report.event_name, payload)
            .identifier(report.identifier)
            .timestamp(report.timestamp.seconds());
        event
            .customize()
            .request_strategy(strategy)
            .send(&self.to(OPERATION))
            .await
            .map(|_echo| ())
    }
}

/// Stripe has no error code for a duplicate. Its message is "An event already exists with
/// identifier …".
fn is_duplicate(refusal: &Refusal) -> bool {
    refusal.status == 400 && refusal.message.contains("already exists with identifier")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Peer, Reply};
    use domain::retry::{Retry, Retryable};

    const ECHO: &str = r#"{"object":"billing.meter_event","created":1795000000,"event_name":"pull_requests","identifier":
        "use_1-pull_requests","livemode":false,"payload":{"stripe_customer_id":"cus_1","value":"3"},"timestamp":1795000000}"#;
    const DUPLICATE: &str = r#"{"error":{"type":"invalid_request_error",
        "message":"An event already exists with identifier use_1-pull_requests."}}"#;

    async fn report(peer: &Peer) -> Result<Reported, StripeError> {
        let customer = CustomerId::parse("cus_1").expect("an id");
        let report = UsageReport {
            event_name: "pull_requests",
            customer: &customer,
            value: 3,
            identifier: "use_1-pull_requests",
            key: "use_1-pull_requests",
            timestamp: Timestamp::from_millis(1_795_000_000_999),
        };
        peer.api().usage_report(&report).await
    }

    #[tokio::test]
    async fn a_report_carries_its_identity_twice() {
        let peer = Peer::script([Reply::ok(ECHO)]);
        assert_eq!(report(&peer).await.expect("an answer"), Reported::Accepted);
        let heard = &peer.heard()[0];
        assert_eq!(heard.line, "POST /v1/billing/meter_events");
        assert_eq!(heard.header("idempotency-key"), "use_1-pull_requests");
        assert_eq!(
            heard.header("content-type"),
            "application/x-www-form-urlencoded"
        );
        let mut fields: Vec<_> = heard.body.split('&').collect();
        fields.sort_unstable();
        let expected = [
            "event_name=pull_requests",
            "identifier=use_1-pull_requests",
            "payload[stripe_customer_id]=cus_1",
            "payload[value]=3",
            "timestamp=1795000000",
        ];
        assert_eq!(fields, expected);
    }

    #[tokio::test]
    async fn a_lost_answer_is_repeated_and_recognized() {
        let peer = Peer::script([
            Reply::Lost,
            Reply::with(400, &[("stripe-should-retry", "false")], DUPLICATE),
        ]);
        assert_eq!(
            report(&peer).await.expect_err("an error").retry(),
            Retry::Outage
        );
        assert_eq!(
            report(&peer).await.expect("an answer"),
            Reported::AlreadyThere
        );
        let keys: Vec<_> = peer
            .heard()
            .iter()
            .map(|heard| heard.header("idempotency-key"))
            .collect();
        assert_eq!(keys[0], keys[1]);
    }

    #[tokio::test]
    async fn other_refusals_are_final() {
        let body = r#"{"error":{"type":"idempotency_error","message":"Keys can only be used with the same parameters"}}"#;
        let error = report(&Peer::script([Reply::with(400, &[], body)]))
            .await
            .expect_err("an error");
        assert!(error.key_reused(), "{error}");
        assert_eq!(error.retry(), Retry::Never);
    }

    #[tokio::test]
    async fn a_stored_failure_is_not_repeated_for_ever() {
        let stored = || Reply::with(500, &[("idempotent-replayed", "true")], "{}");
        let peer = Peer::script([
            Reply::with(500, &[], "{}"),
            stored(),
            Reply::with(400, &[], DUPLICATE),
        ]);
        assert_eq!(
            report(&peer).await.expect_err("an error").retry(),
            Retry::Outage
        );
        assert_eq!(
            report(&peer).await.expect("an answer"),
            Reported::AlreadyThere
        );
        assert_eq!(peer.heard()[2].header("idempotency-key"), "");
        assert_eq!(peer.heard()[2].body.len(), peer.heard()[1].body.len());
    }

    #[tokio::test]
    async fn an_unreadable_echo_is_no_failure() {
        assert_eq!(
            report(&Peer::script([Reply::ok("{}")]))
                .await
                .expect("an answer"),
            Reported::Accepted
        );
    }
}
