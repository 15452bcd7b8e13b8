//! Invoices.

use crate::StripeApi;
use crate::calls::{Page, unless_missing};
use crate::error::StripeError;
use crate::fields::{id, id_maybe, moment, open_words};
use domain::ids::{CustomerId, InvoiceId, PaymentMethodId, PriceId, SubscriptionId};
use domain::time::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::json;

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Invoice {
    #[serde(deserialize_with = "id")]
    pub id: InvoiceId,
    /// Set once the invoice is final.
    #[serde(default)]
    pub number: Option<String>,
    #[serde(default)]
    pub status: Option<InvoiceStatus>,
    #[serde(default, deserialize_with = "id_maybe")]
    pub customer: Option<CustomerId>,
    #[serde(default, rename = "parent", deserialize_with = "subscription_of")]
    pub subscription: Option<SubscriptionId>,
    #[serde(rename = "amount_due")]
    pub amount_due_minor: i64,
    #[serde(rename = "amount_paid")]
    pub amount_paid_minor: i64,
    #[serde(rename = "amount_remaining")]
    pub amount_remaining_minor: i64,
    pub currency: String,
    #[serde(deserialize_with = "moment")]
    pub created: Timestamp,
    #[serde(deserialize_with = "moment")]
    pub period_start: Timestamp,
    #[serde(deserialize_with = "moment")]
    pub period_end: Timestamp,
    /// The page where the customer reads and pays the invoice; absent until the invoice is final.
    #[serde(default)]
    pub hosted_invoice_url: Option<String>,
    #[serde(default)]
    pub invoice_pdf: Option<String>,
}

open_words! {
    InvoiceStatus {
        Draft = "draft",
        Open = "open",
        Paid = "paid",
        Uncollectible = "uncollectible",
        /// The invoice was issued by mistake.
        Void = "void",
    }
}

#[derive(Deserialize)]
struct Parent {
    subscription_details: Option<SubscriptionDetails>,
}

#[derive(Deserialize)]
struct SubscriptionDetails {
    #[serde(default, deserialize_with = "id_maybe")]
    subscription: Option<SubscriptionId>,
}

fn subscription_of<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SubscriptionId>, D::Error> {
    let parent = Option::<Parent>::deserialize(deserializer)?;
    Ok(parent.and_then(|parent| parent.subscription_details?.subscription))
}

/// A line of an invoice.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "LineShape")]
pub struct InvoiceLine {
    pub id: String,
    /// Absent for amounts without a price.
    pub price: Option<PriceId>,
    /// For a metered price, the usage. A tiered price has a line for each tier.
    pub quantity: u64,
    pub period_start: Timestamp,
    pub period_end: Timestamp,
}

#[derive(Deserialize)]
struct LineShape {
    id: String,
    #[serde(default)]
    pricing: Option<Pricing>,
    #[serde(default)]
    quantity: Option<u64>,
    period: Period,
}

#[derive(Deserialize)]
struct Pricing {
    price_details: Option<PriceDetails>,
}

#[derive(Deserialize)]
struct PriceDetails {
    #[serde(default, deserialize_with = "id_maybe")]
    price: Option<PriceId>,
}

#[derive(Deserialize)]
struct Period {
    #[serde(deserialize_with = "moment")]
    start: Timestamp,
    #[serde(deserialize_with = "moment")]
    end: Timestamp,
}

impl From<LineShape> for InvoiceLine {
    fn from(shape: LineShape) -> Self {
        let details = shape.pricing.and_then(|pricing| pricing.price_details);
        Self {
            id: shape.id,
            price: details.and_then(|details| details.price),
            quantity: shape.quantity.unwrap_or(0),
            period_start: shape.period.start,
            period_end: shape.period.end,
        }
    }
}

const LINES: &str = "list the invoice's lines";
const LIST_OF: &str = "list the subscription's invoices";
const FIND: &str = "find the invoice";
const LIST: &str = "list the customer's invoices";
const PAY: &str = "pay the invoice";

impl StripeApi {
    pub async fn invoice_find(&self, id: &InvoiceId) -> Result<Option<Invoice>, StripeError> {
        self.to(FIND)
            .find(&["invoices", id.as_str()], json!({}))
            .await
    }

    /// All lines of an invoice, or `None` if there is no such invoice.
    pub async fn invoice_lines(
        &self,
        id: &InvoiceId,
    ) -> Result<Option<Vec<InvoiceLine>>, StripeError> {
        let path = ["invoices", id.as_str(), "lines"];
        let lines = self
            .to(LINES)
            .list(&path, json!({}), |line: &InvoiceLine| &line.id)
            .await;
        unless_missing(lines)
    }

    /// All invoices of a subscription.
    pub async fn invoice_list_of(&self, id: &SubscriptionId) -> Result<Vec<Invoice>, StripeError> {
        self.to(LIST_OF)
            .list(
                &["invoices"],
                json!({ "subscription": id.as_str() }),
                |invoice: &Invoice| invoice.id.as_str(),
            )
            .await
    }

    /// Charges an open invoice to a payment method. A declined payment is
    /// [`StripeError::card_declined`].
    pub async fn invoice_pay(
        &self,
        id: &InvoiceId,
        method: &PaymentMethodId,
        key: &str,
    ) -> Result<Invoice, StripeError> {
        let form = json!({ "payment_method": method.as_str() });
        self.to(PAY)
            .write(&["invoices", id.as_str(), "pay"], form, key)
            .await
    }

    /// A page of a customer's invoices, newest first, with 1 to 100 items.
    pub async fn invoice_list(
        &self,
        customer: &CustomerId,
        limit: u64,
        starting_after: Option<&InvoiceId>,
    ) -> Result<Page<Invoice>, StripeError> {
        let query = json!({
            "customer": customer.as_str(),
            "limit": limit,
            "starting_after": starting_after.map(InvoiceId::as_str),
        });
        self.to(LIST).read(&["invoices"], query).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{MISSING, Peer, Reply};
    use serde_json::Value;

    fn invoice(parent: Value) -> Value {
        json!({ "id": "in_1", "object": "invoice", "amount_due": 2380, "amount_paid": 2000, "amount_remaining": 380,
            "created": 1795000000, "currency": "eur", "customer": "cus_1", "hosted_invoice_url": "https://i.test/1",
            "invoice_pdf": null, "number": "A-1", "parent": parent, "period_end": 1795000000,
            "period_start": 1792408000, "status": "open" })
    }

    #[tokio::test]
    async fn invoices_know_their_subscription() {
        let details = json!({ "metadata": {}, "subscription": "sub_1" });
        let of_subscription =
            json!({ "type": "subscription_details", "subscription_details": details });
        let replies =
            [of_subscription, json!(null)].map(|parent| Reply::ok(&invoice(parent).to_string()));
        let [first, second] = replies;
        let peer = Peer::script([first, second, Reply::with(404, &[], MISSING)]);
        let id = InvoiceId::parse("in_1").expect("an id");
        let found = peer
            .api()
            .invoice_find(&id)
            .await
            .expect("an answer")
            .expect("an invoice");
        assert_eq!(peer.heard()[0].line, "GET /v1/invoices/in_1");
        assert_eq!(found.subscription, SubscriptionId::parse("sub_1").ok());
        assert_eq!(
            (found.amount_due_minor, found.amount_remaining_minor),
            (2380, 380)
        );
        assert_eq!(found.status, Some(InvoiceStatus::Open));
        let found = peer
            .api()
            .invoice_find(&id)
            .await
            .expect("an answer")
            .expect("an invoice");
        assert_eq!(found.subscription, None);
        assert_eq!(peer.api().invoice_find(&id).await.expect("an answer"), None);
    }

    #[tokio::test]
    async fn an_invoice_is_paid_with_a_method() {
        let peer = Peer::script([Reply::ok(&invoice(json!(null)).to_string())]);
        let id = InvoiceId::parse("in_1").expect("an id");
        let method = PaymentMethodId::parse("pm_1").expect("an id");
        peer.api()
            .invoice_pay(&id, &method, "k")
            .await
            .expect("an invoice");
        let heard = &peer.heard()[0];
        assert_eq!(
            (heard.line.as_str(), heard.body.as_str()),
            ("POST /v1/invoices/in_1/pay", "payment_method=pm_1")
        );
        assert_eq!(heard.header("idempotency-key"), "k");
    }

    #[tokio::test]
    async fn invoices_come_in_pages() {
        let page = json!({ "data": [invoice(json!(null))], "has_more": true }).to_string();
        let peer = Peer::script([Reply::ok(&page), Reply::ok(&page)]);
        let customer = CustomerId::parse("cus_1").expect("an id");
        let page = peer
            .api()
            .invoice_list(&customer, 10, None)
            .await
            .expect("a page");
        peer.api()
            .invoice_list(&customer, 10, Some(&page.data[0].id))
            .await
            .expect("a page");
        assert!(page.has_more);
        assert_eq!(
            peer.heard()[0].line,
            "GET /v1/invoices?customer=cus_1&limit=10"
        );
        assert_eq!(
            peer.heard()[1].line,
            "GET /v1/invoices?customer=cus_1&limit=10&starting_after=in_1"
        );
    }
}
