//! The customer portal: Stripe's pages for customers, and what they allow.

use crate::StripeApi;
use crate::error::StripeError;
use crate::fields::or_empty;
use crate::subscriptions::Proration;
use domain::ids::{CustomerId, PriceId, ProductId};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct PortalSession {
    /// Anybody with the URL is signed in, so send it to the customer only.
    pub url: String,
}

impl std::fmt::Debug for PortalSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PortalSession").finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PortalConfiguration {
    pub id: String,
    /// The name for operators.
    #[serde(default)]
    pub name: Option<String>,
    pub active: bool,
    /// Whether sessions without a configuration use it.
    pub is_default: bool,
    #[serde(default, deserialize_with = "or_empty")]
    pub metadata: BTreeMap<String, String>,
}

/// What a customer may do in the portal. Customers may always see invoices, and may change payment
/// methods and invoice details.
pub struct PortalOrder<'a> {
    pub name: &'a str,
    pub headline: Option<&'a str>,
    pub privacy_url: Option<&'a str>,
    pub terms_url: Option<&'a str>,
    pub return_url: Option<&'a str>,
    pub cancel: PortalCancel,
    /// The products that a customer may switch between; empty forbids switching.
    pub offers: &'a [PortalOffer],
    /// How a change within a period is billed.
    pub proration: Proration,
    pub metadata: &'a BTreeMap<String, String>,
}

/// How a customer may cancel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortalCancel {
    Off,
    /// At the end of the paid period.
    AtPeriodEnd,
    Immediately,
}

/// A product that a customer may switch to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortalOffer {
    pub product: ProductId,
    pub prices: Vec<PriceId>,
}

const ENTER: &str = "open the portal";
const CREATE: &str = "create the portal's configuration";
const LIST: &str = "list the portal's configurations";
const UPDATE: &str = "update the portal's configuration";
const CONFIGURATIONS: [&str; 2] = ["billing_portal", "configurations"];

impl StripeApi {
    /// Creates a portal session. Without a configuration, the default one is used.
    pub async fn portal_session_create(
        &self,
        customer: &CustomerId,
        return_url: &str,
        configuration: Option<&str>,
        key: &str,
    ) -> Result<PortalSession, StripeError> {
        let form = json!({ "customer": customer.as_str(), "return_url": return_url, "configuration": configuration });
        self.to(ENTER)
            .write(&["billing_portal", "sessions"], form, key)
            .await
    }

    /// All configurations, including inactive ones.
    pub async fn portal_configuration_list(&self) -> Result<Vec<PortalConfiguration>, StripeError> {
        self.to(LIST)
            .list(
                &CONFIGURATIONS,
                json!({}),
                |configuration: &PortalConfiguration| &configuration.id,
            )
            .await
    }

    pub async fn portal_configuration_create(
        &self,
        order: &PortalOrder<'_>,
        key: &str,
    ) -> Result<PortalConfiguration, StripeError> {
        self.to(CREATE)
            .write(&CONFIGURATIONS, configuration(order), key)
            .await
    }

    /// Updates a configuration to match the order.
    pub async fn portal_configuration_update(
        &self,
        id: &str,
        order: &PortalOrder<'_>,
        key: &str,
    ) -> Result<PortalConfiguration, StripeError> {
        let [first, second] = CONFIGURATIONS;
        let mut form = configuration(order);
        // A headline that is left out stays.
        form["business_profile"]["headline"] = json!(order.headline.unwrap_or_default());
        self.to(UPDATE).write(&[first, second, id], form, key).await
    }
}

fn configuration(order: &PortalOrder<'_>) -> Value {
    let cancel = match order.cancel {
        PortalCancel::Off => json!({ "enabled": false }),
        PortalCancel::AtPeriodEnd => json!({ "enabled": true, "mode": "at_period_end" }),
        PortalCancel::Immediately => json!({ "enabled": true, "mode": "immediately" }),
    };
    let offer = |offer: &PortalOffer| {
        let prices: Vec<_> = offer.prices.iter().map(PriceId::as_str).collect();
        json!({ "product": offer.product.as_str(), "prices": prices })
    };
    let update = if order.offers.is_empty() {
        json!({ "enabled": false })
    } else {
        json!({
            "enabled": true,
            "default_allowed_updates": ["price"],
            "products": order.offers.iter().map(offer).collect::<Vec<_>>(),
            "proration_behavior": order.proration.as_str(),
        })
    };
    json!({
        "name": order.name,
        "business_profile": {
            "headline": order.headline,
            "privacy_policy_url": order.privacy_url,
            "terms_of_service_url": order.terms_url,
        },
        "default_return_url": order.return_url,
        "features": {
            "customer_update": { "enabled": true, "allowed_updates": ["name", "email", "address", "tax_id"] },
            "invoice_history": { "enabled": true },
            "payment_method_update": { "enabled": true },
            "subscription_cancel": cancel,
            "subscription_update": update,
        },
        "metadata": order.metadata,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Peer, Reply};

    const CONFIGURATION: &str = r#"{"id":"bpc_1","object":"billing_portal.configuration","active":true,"is_default":false,
        "livemode":false,"metadata":null,"name":"team","features":{},"default_return_url":null}"#;

    #[tokio::test]
    async fn the_way_in_is_not_printed() {
        let peer = Peer::script([Reply::ok(
            r#"{"id":"bps_1","url":"https://billing.test/canary"}"#,
        )]);
        let customer = CustomerId::parse("cus_1").expect("an id");
        let session = peer
            .api()
            .portal_session_create(&customer, "https://a.test/back", None, "portal-1")
            .await
            .expect("a way");
        assert_eq!(session.url, "https://billing.test/canary");
        assert!(!format!("{session:?}").contains("canary"));
        assert_eq!(peer.heard()[0].line, "POST /v1/billing_portal/sessions");
        assert_eq!(
            peer.heard()[0].fields(),
            ["customer=cus_1", "return_url=https://a.test/back"]
        );
        assert_eq!(peer.heard()[0].header("idempotency-key"), "portal-1");
    }

    fn order<'a>(
        offers: &'a [PortalOffer],
        metadata: &'a BTreeMap<String, String>,
    ) -> PortalOrder<'a> {
        PortalOrder {
            name: "team",
            headline: None,
            privacy_url: Some("https://a.test/privacy"),
            terms_url: None,
            return_url: None,
            cancel: if offers.is_empty() {
                PortalCancel::Off
            } else {
                PortalCancel::AtPeriodEnd
            },
            offers,
            proration: Proration::NextInvoice,
            metadata,
        }
    }

    #[tokio::test]
    async fn configurations_say_what_a_customer_may_do() {
        let peer = Peer::script([Reply::ok(CONFIGURATION), Reply::ok(CONFIGURATION)]);
        let metadata = BTreeMap::new();
        let offers = [PortalOffer {
            product: ProductId::parse("prod_1").expect("an id"),
            prices: ["price_1", "price_2"]
                .map(|id| PriceId::parse(id).expect("an id"))
                .to_vec(),
        }];
        peer.api()
            .portal_configuration_create(&order(&offers, &metadata), "c")
            .await
            .expect("a configuration");
        let heard = &peer.heard()[0];
        assert_eq!(heard.line, "POST /v1/billing_portal/configurations");
        for field in [
            "business_profile[privacy_policy_url]=https://a.test/privacy",
            "features[customer_update][allowed_updates][1]=email",
            "features[invoice_history][enabled]=true",
            "features[subscription_cancel][enabled]=true",
            "features[subscription_cancel][mode]=at_period_end",
            "features[subscription_update][default_allowed_updates][0]=price",
            "features[subscription_update][products][0][prices][1]=price_2",
            "features[subscription_update][products][0][product]=prod_1",
            "features[subscription_update][proration_behavior]=create_prorations",
            "name=team",
        ] {
            assert!(
                heard.fields().contains(&field),
                "{field} in {:?}",
                heard.fields()
            );
        }
        peer.api()
            .portal_configuration_update("bpc_1", &order(&[], &metadata), "u")
            .await
            .expect("a configuration");
        let heard = &peer.heard()[1];
        assert_eq!(heard.line, "POST /v1/billing_portal/configurations/bpc_1");
        for field in [
            "business_profile[headline]=",
            "features[subscription_cancel][enabled]=false",
            "features[subscription_update][enabled]=false",
        ] {
            assert!(
                heard.fields().contains(&field),
                "{field} in {:?}",
                heard.fields()
            );
        }
    }

    #[tokio::test]
    async fn configurations_are_listed() {
        let peer = Peer::script([Reply::ok(&format!(
            r#"{{"data":[{CONFIGURATION}],"has_more":false}}"#
        ))]);
        let all = peer
            .api()
            .portal_configuration_list()
            .await
            .expect("configurations");
        assert_eq!(
            peer.heard()[0].line,
            "GET /v1/billing_portal/configurations?limit=100"
        );
        assert_eq!(
            (all[0].id.as_str(), all[0].name.as_deref(), all[0].active),
            ("bpc_1", Some("team"), true)
        );
    }
}
