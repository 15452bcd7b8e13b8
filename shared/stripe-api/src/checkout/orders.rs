//! Creating and expiring checkout sessions.

use super::CheckoutSession;
use crate::StripeApi;
use crate::error::StripeError;
use crate::subscriptions::{PriceChoice, Trial, chosen};
use domain::billing::plans::CheckoutOption;
use domain::ids::{CheckoutSessionId, CustomerId, PriceId};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A session to create.
pub struct CheckoutOrder<'a> {
    pub customer: &'a CustomerId,
    pub mode: CheckoutMode<'a>,
    pub ui: CheckoutUi<'a>,
    /// Our reference, returned as `client_reference_id`.
    pub reference: &'a str,
    /// Metadata for the session and for the payment, subscription or setup that it leads to.
    pub metadata: &'a BTreeMap<String, String>,
    /// What the session does besides selling. A setup does nothing of it.
    pub options: &'a BTreeSet<CheckoutOption>,
    /// The text beside the button of a session that sells something.
    pub text: Option<&'a str>,
}

pub enum CheckoutMode<'a> {
    Payment {
        price: &'a PriceId,
        quantity: u64,
    },
    Subscription {
        prices: &'a [PriceChoice],
        trial: Option<Trial>,
    },
    Setup {
        /// In lower case.
        currency: &'a str,
    },
}

/// Where a session is shown. Stripe replaces `{CHECKOUT_SESSION_ID}` in a URL.
pub enum CheckoutUi<'a> {
    Hosted {
        success_url: &'a str,
        cancel_url: &'a str,
    },
    Embedded {
        return_url: &'a str,
    },
}

const CREATE: &str = "create the checkout session";
const EXPIRE: &str = "expire the checkout session";

impl StripeApi {
    /// Creates a session. Neither the session nor the customer's return proves a payment; only the
    /// session's payment status does.
    pub async fn checkout_create(
        &self,
        order: &CheckoutOrder<'_>,
        key: &str,
    ) -> Result<CheckoutSession, StripeError> {
        self.to(CREATE)
            .write(&["checkout", "sessions"], form(order), key)
            .await
    }

    /// Expires an open session. Stripe rejects the request for any other session.
    pub async fn checkout_expire(
        &self,
        id: &CheckoutSessionId,
        key: &str,
    ) -> Result<CheckoutSession, StripeError> {
        self.to(EXPIRE)
            .write(
                &["checkout", "sessions", id.as_str(), "expire"],
                json!({}),
                key,
            )
            .await
    }
}

fn form(order: &CheckoutOrder<'_>) -> Value {
    let notes = json!({ "metadata": order.metadata });
    let mut form = match &order.mode {
        CheckoutMode::Payment { price, quantity } => json!({
            "mode": "payment",
            "line_items": [{ "price": price.as_str(), "quantity": quantity }],
            "payment_intent_data": notes,
        }),
        CheckoutMode::Subscription { prices, trial } => {
            let mut data = notes;
            if let Some(trial) = trial {
                data["trial_period_days"] = json!(trial.days);
                data["trial_settings"] = trial.settings();
            }
            json!({ "mode": "subscription", "line_items": chosen(prices), "subscription_data": data })
        }
        CheckoutMode::Setup { currency } => {
            json!({ "mode": "setup", "currency": currency, "setup_intent_data": notes })
        }
    };
    match &order.ui {
        CheckoutUi::Hosted {
            success_url,
            cancel_url,
        } => {
            form["ui_mode"] = json!("hosted_page");
            form["success_url"] = json!(success_url);
            form["cancel_url"] = json!(cancel_url);
        }
        CheckoutUi::Embedded { return_url } => {
            form["ui_mode"] = json!("embedded_page");
            form["return_url"] = json!(return_url);
        }
    }
    if !matches!(order.mode, CheckoutMode::Setup { .. }) {
        for option in order.options {
            choose(&mut form, *option, &order.mode);
        }
        if let Some(text) = order.text {
            form["custom_text"]["submit"]["message"] = json!(text);
        }
    }
    form["customer"] = json!(order.customer.as_str());
    form["client_reference_id"] = json!(order.reference);
    form["metadata"] = json!(order.metadata);
    form
}

/// Adds an option to a session that sells something. Taxes need the address of the customer, and a
/// tax id their name, which Stripe then stores on the customer.
fn choose(form: &mut Value, option: CheckoutOption, mode: &CheckoutMode<'_>) {
    let enabled = json!({ "enabled": true });
    match option {
        CheckoutOption::AutomaticTax => {
            form["automatic_tax"] = enabled;
            form["customer_update"]["address"] = json!("auto");
        }
        CheckoutOption::TaxIdCollection => {
            form["tax_id_collection"] = enabled;
            form["customer_update"]["name"] = json!("auto");
            form["customer_update"]["address"] = json!("auto");
        }
        CheckoutOption::AllowPromotionCodes => form["allow_promotion_codes"] = json!(true),
        CheckoutOption::InvoiceCreation => {
            if let CheckoutMode::Payment { .. } = mode {
                form["invoice_creation"] = enabled;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subscriptions::MethodMissing;
    use crate::testing::{Peer, Reply};
    use secrecy::ExposeSecret;

    const SESSION: &str = r#"{"id":"cs_test_1","object":"checkout.session","client_secret":"cs_test_1_secret_x","url":null,
        "created":1795000000,"expires_at":1795086400,"livemode":false,"mode":"payment","payment_status":"unpaid",
        "status":"open","metadata":null}"#;

    const HOSTED: CheckoutUi<'static> = CheckoutUi::Hosted {
        success_url: "https://a.test/done?session={CHECKOUT_SESSION_ID}",
        cancel_url: "https://a.test/no",
    };

    async fn ordered(mode: CheckoutMode<'_>, ui: CheckoutUi<'_>) -> Vec<String> {
        let peer = Peer::script([Reply::ok(SESSION)]);
        let customer = CustomerId::parse("cus_1").expect("an id");
        let metadata = BTreeMap::from([("pack".to_owned(), "small".to_owned())]);
        let order = CheckoutOrder {
            customer: &customer,
            mode,
            ui,
            reference: "acc_1",
            metadata: &metadata,
            options: &BTreeSet::new(),
            text: None,
        };
        let made = peer
            .api()
            .checkout_create(&order, "checkout-1")
            .await
            .expect("a session");
        assert_eq!(
            made.client_secret.expect("a secret").expose_secret(),
            "cs_test_1_secret_x"
        );
        let heard = &peer.heard()[0];
        assert_eq!(heard.line, "POST /v1/checkout/sessions");
        assert_eq!(heard.header("idempotency-key"), "checkout-1");
        let shared = [
            "client_reference_id=acc_1",
            "customer=cus_1",
            "metadata[pack]=small",
        ];
        for field in shared {
            assert!(heard.fields().contains(&field), "{field}");
        }
        heard
            .fields()
            .into_iter()
            .filter(|field| !shared.contains(field))
            .map(str::to_owned)
            .collect()
    }

    #[tokio::test]
    async fn a_payment_carries_its_notes() {
        let price = PriceId::parse("price_1").expect("an id");
        assert_eq!(
            ordered(
                CheckoutMode::Payment {
                    price: &price,
                    quantity: 2
                },
                HOSTED
            )
            .await,
            [
                "cancel_url=https://a.test/no",
                "line_items[0][price]=price_1",
                "line_items[0][quantity]=2",
                "mode=payment",
                "payment_intent_data[metadata][pack]=small",
                "success_url=https://a.test/done?session%3D{CHECKOUT_SESSION_ID}",
                "ui_mode=hosted_page",
            ]
        );
    }

    /// The parameters: docs.stripe.com/api/checkout/sessions/create.
    #[test]
    fn each_mode_takes_the_options_that_it_can_have() {
        let (customer, metadata) = (CustomerId::parse("cus_1").expect("an id"), BTreeMap::new());
        let price = PriceId::parse("price_1").expect("an id");
        let options = BTreeSet::from(CheckoutOption::ALL);
        let of = |mode| {
            let form = form(&CheckoutOrder {
                customer: &customer,
                mode,
                ui: HOSTED,
                reference: "acc_1",
                metadata: &metadata,
                options: &options,
                text: Some("No refunds after use."),
            });
            [
                "automatic_tax",
                "tax_id_collection",
                "invoice_creation",
                "allow_promotion_codes",
                "customer_update",
                "custom_text",
            ]
            .map(|name| form[name].clone())
        };
        let on = json!({ "enabled": true });
        let update = json!({ "address": "auto", "name": "auto" });
        let payment = of(CheckoutMode::Payment {
            price: &price,
            quantity: 1,
        });
        let text = json!({ "submit": { "message": "No refunds after use." } });
        let sold = [&on, &on, &on, &json!(true), &update, &text].map(Clone::clone);
        assert_eq!(payment, sold);
        let plan = of(CheckoutMode::Subscription {
            prices: &[],
            trial: None,
        });
        let without_invoice =
            [&on, &on, &Value::Null, &json!(true), &update, &text].map(Clone::clone);
        assert_eq!(plan, without_invoice);
        let setup = of(CheckoutMode::Setup { currency: "usd" });
        assert_eq!(setup, [const { Value::Null }; 6]);
    }

    #[tokio::test]
    async fn a_subscription_may_be_tried_first() {
        let prices = [
            PriceChoice {
                price: PriceId::parse("price_1").expect("an id"),
                quantity: Some(3),
            },
            PriceChoice {
                price: PriceId::parse("price_2").expect("an id"),
                quantity: None,
            },
        ];
        let trial = Some(Trial {
            days: 14,
            method_missing: MethodMissing::Pause,
        });
        let ui = CheckoutUi::Embedded {
            return_url: "https://a.test/done",
        };
        assert_eq!(
            ordered(
                CheckoutMode::Subscription {
                    prices: &prices,
                    trial
                },
                ui
            )
            .await,
            [
                "line_items[0][price]=price_1",
                "line_items[0][quantity]=3",
                "line_items[1][price]=price_2",
                "mode=subscription",
                "return_url=https://a.test/done",
                "subscription_data[metadata][pack]=small",
                "subscription_data[trial_period_days]=14",
                "subscription_data[trial_settings][end_behavior][missing_payment_method]=pause",
                "ui_mode=embedded_page",
            ]
        );
    }

    #[tokio::test]
    async fn a_setup_says_its_currency() {
        assert_eq!(
            ordered(CheckoutMode::Setup { currency: "eur" }, HOSTED).await,
            [
                "cancel_url=https://a.test/no",
                "currency=eur",
                "mode=setup",
                "setup_intent_data[metadata][pack]=small",
                "success_url=https://a.test/done?session%3D{CHECKOUT_SESSION_ID}",
                "ui_mode=hosted_page",
            ]
        );
    }

    #[tokio::test]
    async fn sessions_are_ended() {
        let peer = Peer::script([Reply::ok(SESSION)]);
        let id = CheckoutSessionId::parse("cs_test_1").expect("an id");
        peer.api()
            .checkout_expire(&id, "k")
            .await
            .expect("a session");
        assert_eq!(
            peer.heard()[0].line,
            "POST /v1/checkout/sessions/cs_test_1/expire"
        );
        assert_eq!(
            (
                peer.heard()[0].body.as_str(),
                peer.heard()[0].header("idempotency-key").as_str()
            ),
            ("", "k")
        );
    }
}
