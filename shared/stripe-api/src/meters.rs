//! Meters: which one counts an event, and what it has counted.

use crate::StripeApi;
use crate::error::StripeError;
use crate::fields::open_words;
use domain::ids::CustomerId;
use domain::time::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use stripe_billing::BillingMeterStatus;
use stripe_billing::billing_meter::ListBillingMeter;
use stripe_billing::billing_meter_event_summary::ListIdBillingMeterEventSummary;

/// A meter at Stripe. The field names of its reports and its aggregation never change.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "Shape")]
pub struct Meter {
    pub id: String,
    pub event_name: String,
    pub display_name: String,
    pub status: MeterStatus,
    /// Whether it sums the reports of [`StripeApi::usage_report`].
    pub sums_our_reports: bool,
}

open_words! {
    MeterStatus {
        Active = "active",
        /// New prices cannot use the meter.
        Inactive = "inactive",
    }
}

#[derive(Deserialize)]
struct Shape {
    id: String,
    event_name: String,
    display_name: String,
    status: MeterStatus,
    #[serde(default)]
    customer_mapping: Value,
    #[serde(default)]
    default_aggregation: Value,
    #[serde(default)]
    value_settings: Value,
}

impl From<Shape> for Meter {
    fn from(shape: Shape) -> Self {
        let sums_our_reports = shape.customer_mapping["event_payload_key"] == CUSTOMER_FIELD
            && shape.value_settings["event_payload_key"] == VALUE_FIELD
            && shape.default_aggregation["formula"] == "sum";
        Self {
            id: shape.id,
            event_name: shape.event_name,
            display_name: shape.display_name,
            status: shape.status,
            sums_our_reports,
        }
    }
}

/// The field of a report that names the customer.
pub(crate) const CUSTOMER_FIELD: &str = "stripe_customer_id";
/// The field of a report that contains the value.
pub(crate) const VALUE_FIELD: &str = "value";

const CREATE: &str = "create the meter";
const DEACTIVATE: &str = "deactivate the meter";
const FIND: &str = "find the meter";
const LIST: &str = "list the meters";
const REACTIVATE: &str = "reactivate the meter";
const TOTAL: &str = "read the usage total";
const PAGE: i64 = 100;
/// An account with more meters than this, or a period with more summaries, is not ours.
const PAGES_MAX: usize = 20;
const MINUTE: i64 = 60;

impl StripeApi {
    /// The id of the active meter for an event name.
    pub async fn meter_find(&self, event_name: &str) -> Result<Option<String>, StripeError> {
        let mut list = ListBillingMeter::new()
            .limit(PAGE)
            .status(BillingMeterStatus::Active);
        for _ in 0..PAGES_MAX {
            let page = list.send(&self.to(FIND)).await?;
            if let Some(meter) = page
                .data
                .iter()
                .find(|meter| meter.event_name == event_name)
            {
                return Ok(Some(meter.id.to_string()));
            }
            match page.data.last().filter(|_| page.has_more) {
                Some(last) => list = list.starting_after(last.id.to_string()),
                None => return Ok(None),
            }
        }
        Err(StripeError::Unaskable {
            operation: FIND,
            why: "there are too many meters",
        })
    }

    /// All meters, including inactive ones.
    pub async fn meter_list(&self) -> Result<Vec<Meter>, StripeError> {
        self.to(LIST)
            .list(&["billing", "meters"], json!({}), |meter: &Meter| &meter.id)
            .await
    }

    /// Creates a meter that sums our reports. Stripe allows one active meter per event name.
    pub async fn meter_create(
        &self,
        event_name: &str,
        display_name: &str,
        key: &str,
    ) -> Result<Meter, StripeError> {
        let form = json!({
            "event_name": event_name,
            "display_name": display_name,
            "customer_mapping": { "type": "by_id", "event_payload_key": CUSTOMER_FIELD },
            "value_settings": { "event_payload_key": VALUE_FIELD },
            "default_aggregation": { "formula": "sum" },
        });
        self.to(CREATE)
            .write(&["billing", "meters"], form, key)
            .await
    }

    /// Deactivates a meter. Stripe rejects later reports to it.
    pub async fn meter_deactivate(&self, id: &str, key: &str) -> Result<Meter, StripeError> {
        self.to(DEACTIVATE)
            .write(&["billing", "meters", id, "deactivate"], json!({}), key)
            .await
    }

    pub async fn meter_reactivate(&self, id: &str, key: &str) -> Result<Meter, StripeError> {
        self.to(REACTIVATE)
            .write(&["billing", "meters", id, "reactivate"], json!({}), key)
            .await
    }

    /// The total that a meter has counted for a customer, from the minute of `from` to the end of
    /// the minute of `until`. Stripe counts a report some time after it accepted it.
    pub async fn usage_total(
        &self,
        meter: &str,
        customer: &CustomerId,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<u64, StripeError> {
        if meter.is_empty()
            || !meter
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        {
            return Err(StripeError::Unaskable {
                operation: TOTAL,
                why: "the meter's id is none",
            });
        }
        let start = from.seconds().div_euclid(MINUTE) * MINUTE;
        let end = (until.seconds().div_euclid(MINUTE) + 1) * MINUTE;
        let mut list =
            ListIdBillingMeterEventSummary::new(meter, customer.as_str(), end, start).limit(PAGE);
        let mut total = 0_u64;
        for _ in 0..PAGES_MAX {
            let page = list.send(&self.to(TOTAL)).await?;
            for summary in &page.data {
                let counted = whole(summary.aggregated_value)?;
                total = total
                    .checked_add(counted)
                    .ok_or_else(|| malformed("the total is too large"))?;
            }
            match page.data.last().filter(|_| page.has_more) {
                Some(last) => list = list.starting_after(last.id.to_string()),
                None => return Ok(total),
            }
        }
        Err(StripeError::Unaskable {
            operation: TOTAL,
            why: "there are too many summaries",
        })
    }
}

/// Converts Stripe's floating-point sum. Our sums are whole numbers, so a fraction means that the
/// meter is not ours. Rust prints a whole float exactly, digit by digit.
fn whole(value: f64) -> Result<u64, StripeError> {
    value
        .to_string()
        .parse()
        .map_err(|_| malformed("a total is no whole number"))
}

fn malformed(why: &str) -> StripeError {
    StripeError::Malformed {
        why: why.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Peer, Reply};
    use domain::retry::{Retry, Retryable};

    fn meter(id: &str, event_name: &str) -> Value {
        json!({ "id": id, "object": "billing.meter", "created": 1, "updated": 1, "livemode": false, "status": "active",
            "customer_mapping": { "event_payload_key": "stripe_customer_id", "type": "by_id" },
            "default_aggregation": { "formula": "sum" }, "display_name": "Pulls", "event_name": event_name,
            "event_time_window": null, "status_transitions": { "deactivated_at": null },
            "value_settings": { "event_payload_key": "value" } })
    }

    fn summary(id: &str, value: Value) -> Value {
        json!({ "id": id, "object": "billing.meter_event_summary", "aggregated_value": value, "start_time": 0,
            "end_time": 60, "livemode": false, "meter": "mtr_1" })
    }

    fn page(data: &[Value], has_more: &str) -> Reply {
        let data = Value::from(data);
        Reply::ok(&format!(
            r#"{{"object":"list","url":"/v1/x","has_more":{has_more},"data":{data}}}"#
        ))
    }

    #[tokio::test]
    async fn meters_are_found_on_any_page() {
        let peer = Peer::script([
            page(&[meter("mtr_1", "tokens"), meter("mtr_2", "steps")], "true"),
            page(&[meter("mtr_3", "pull_requests")], "false"),
            page(&[], "false"),
        ]);
        assert_eq!(
            peer.api()
                .meter_find("pull_requests")
                .await
                .expect("an answer")
                .as_deref(),
            Some("mtr_3")
        );
        assert_eq!(
            peer.heard()[1].line,
            "GET /v1/billing/meters?limit=100&starting_after=mtr_2&status=active"
        );
        assert_eq!(
            peer.api()
                .meter_find("pull_requests")
                .await
                .expect("an answer"),
            None
        );
    }

    #[tokio::test]
    async fn a_new_meter_adds_up_what_we_report() {
        let made = meter("mtr_1", "pull_requests").to_string();
        let peer = Peer::script([Reply::ok(&made), Reply::ok(&made), Reply::ok(&made)]);
        let meter = peer
            .api()
            .meter_create("pull_requests", "Pulls", "meter-1")
            .await
            .expect("a meter");
        assert!(meter.sums_our_reports && meter.status == MeterStatus::Active);
        let heard = &peer.heard()[0];
        assert_eq!(
            (
                heard.line.as_str(),
                heard.header("idempotency-key").as_str()
            ),
            ("POST /v1/billing/meters", "meter-1")
        );
        let expected = [
            "customer_mapping[event_payload_key]=stripe_customer_id",
            "customer_mapping[type]=by_id",
            "default_aggregation[formula]=sum",
            "display_name=Pulls",
            "event_name=pull_requests",
            "value_settings[event_payload_key]=value",
        ];
        assert_eq!(heard.fields(), expected);
        peer.api()
            .meter_deactivate("mtr_1", "k")
            .await
            .expect("a meter");
        peer.api()
            .meter_reactivate("mtr_1", "k")
            .await
            .expect("a meter");
        let lines: Vec<_> = peer.heard()[1..]
            .iter()
            .map(|heard| heard.line.clone())
            .collect();
        assert_eq!(
            lines,
            [
                "POST /v1/billing/meters/mtr_1/deactivate",
                "POST /v1/billing/meters/mtr_1/reactivate"
            ]
        );
    }

    #[tokio::test]
    async fn meters_of_another_kind_differ() {
        let mut counting = meter("mtr_2", "tokens");
        counting["default_aggregation"]["formula"] = json!("count");
        let peer = Peer::script([page(&[meter("mtr_1", "steps"), counting], "false")]);
        let meters = peer.api().meter_list().await.expect("meters");
        assert_eq!(peer.heard()[0].line, "GET /v1/billing/meters?limit=100");
        assert_eq!(
            meters
                .iter()
                .map(|meter| meter.sums_our_reports)
                .collect::<Vec<_>>(),
            [true, false]
        );
    }

    async fn total(peer: &Peer) -> Result<u64, StripeError> {
        let customer = CustomerId::parse("cus_1").expect("an id");
        let (from, until) = (Timestamp::from_seconds(119), Timestamp::from_seconds(180));
        peer.api()
            .usage_total("mtr_1", &customer, from, until)
            .await
    }

    #[tokio::test]
    async fn totals_cover_whole_minutes_and_all_pages() {
        let first = page(
            &[summary("s1", json!(3.0)), summary("s2", json!(4))],
            "true",
        );
        let peer = Peer::script([
            first,
            page(&[summary("s3", json!(9_007_199_254_740_992_u64))], "false"),
        ]);
        assert_eq!(total(&peer).await.expect("a total"), 9_007_199_254_740_999);
        let line = "GET /v1/billing/meters/mtr_1/event_summaries?customer=cus_1&end_time=240&limit=100&start_time=60";
        assert_eq!(peer.heard()[0].line, line);
    }

    #[tokio::test]
    async fn odd_totals_are_refused() {
        for value in [json!(0.5), json!(-1), json!(1e300)] {
            let error = total(&Peer::script([page(&[summary("s1", value)], "false")]))
                .await
                .expect_err("an error");
            assert_eq!(error.retry(), Retry::Soon, "{error}");
        }
        let customer = CustomerId::parse("cus_1").expect("an id");
        let nobody = Peer::script([]);
        let error = nobody
            .api()
            .usage_total(
                "mtr/1",
                &customer,
                Timestamp::default(),
                Timestamp::default(),
            )
            .await;
        assert_eq!(error.expect_err("an error").retry(), Retry::Never);
    }
}
