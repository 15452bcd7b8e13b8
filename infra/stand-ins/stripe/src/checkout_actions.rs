//! What people do on a checkout page: pay, pay by bank transfer, let the session expire. Emits the
//! events that Stripe sends.

use serde_json::{Value, json};

use super::Stripe;
use super::account::{Account, number, shape, text};
use super::billing_cycles::{NewItem, NewSubscription};
use super::billing_mode::BillingMode;
use super::cards::card;
use super::error::ApiError;
use super::objects::{CUSTOMER, LINE_ITEMS, METHOD, PRIVATE, SESSION, SETUP, SUBSCRIPTION, shown};
use super::payments::{NewPayment, Outcome};
use super::{customers, sessions};

/// The outcome of a bank transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    Paid,
    Failed,
}

impl Stripe {
    /// Pays an open session, with the customer's card if there is one. A declined card leaves it
    /// open.
    pub fn pay_session(&self, session: &str) -> Result<Value, ApiError> {
        self.account()
            .pay_session(session)
            .map(|session| shown(&session))
    }

    /// Pays an open session by bank transfer: it completes, but is unpaid until
    /// [`Stripe::settle_session`].
    pub fn pay_session_later(&self, session: &str) -> Result<Value, ApiError> {
        self.account()
            .pay_session_later(session)
            .map(|session| shown(&session))
    }

    /// Settles a payment that [`Stripe::pay_session_later`] began.
    pub fn settle_session(&self, session: &str, settlement: Settlement) -> Result<Value, ApiError> {
        self.account()
            .settle_session(session, settlement)
            .map(|session| shown(&session))
    }

    /// Expires an open session.
    pub fn expire_session(&self, session: &str) -> Result<Value, ApiError> {
        self.account()
            .expire_session(session)
            .map(|session| shown(&session))
    }

    /// A checkout session as Stripe would answer it.
    pub fn session(&self, id: &str) -> Result<Value, ApiError> {
        self.read(SESSION, id)
    }

    /// Every checkout session, oldest first.
    pub fn sessions(&self) -> Vec<Value> {
        self.read_all(SESSION)
    }
}

impl Account<'_> {
    pub fn pay_session(&mut self, id: &str) -> Result<Value, ApiError> {
        let session = self.open_session(id)?;
        match text(&session, "mode") {
            "setup" => self.set_up(&session),
            "subscription" => self.subscribe(&session),
            _ => self.pay_once(&session),
        }
    }

    pub fn pay_session_later(&mut self, id: &str) -> Result<Value, ApiError> {
        let session = self.open_session(id)?;
        if session["mode"] != "payment" || number(&session, "amount_total") == 0 {
            return Err(ApiError::invalid(
                "Only a session in `payment` mode can be paid by a method that takes days.",
            ));
        }
        let customer = self.payer(&session);
        let intent = self.session_intent(&session, &customer)?;
        let account = self.new_bank_account();
        self.start_delayed_charge(&intent, &account)?;
        self.complete(id, json!({"customer": customer, "payment_intent": intent}))
    }

    pub fn settle_session(&mut self, id: &str, settlement: Settlement) -> Result<Value, ApiError> {
        let session = self.find(SESSION, id)?;
        let intent = text(&session, "payment_intent");
        let waits = self
            .find(super::objects::INTENT, intent)
            .is_ok_and(|intent| intent["status"] == "processing");
        if !waits {
            return Err(ApiError::invalid(
                "No payment of this session is in processing.",
            ));
        }
        match settlement {
            Settlement::Paid => {
                self.settle_delayed_charge(intent, Ok(()))?;
                let session = self.set(SESSION, id, json!({"payment_status": "paid"}))?;
                self.emit("checkout.session.async_payment_succeeded", &session);
                Ok(session)
            }
            Settlement::Failed => {
                self.settle_delayed_charge(intent, Err("insufficient_funds"))?;
                self.emit("checkout.session.async_payment_failed", &session);
                Ok(session)
            }
        }
    }

    pub fn expire_session(&mut self, id: &str) -> Result<Value, ApiError> {
        let session = self.find(SESSION, id)?;
        if session["status"] != "open" {
            let message = format!(
                "Only Checkout Sessions with a status in [\"open\"] can be expired. This Checkout Session has a status \
                 of `{}`.",
                text(&session, "status")
            );
            return Err(ApiError::invalid(message));
        }
        self.close_unpaid(id);
        self.find(SESSION, id)
    }

    /// Expires an open session.
    pub fn close_unpaid(&mut self, id: &str) {
        if let Ok(session) = self.set(SESSION, id, json!({"status": "expired", "url": null})) {
            self.emit("checkout.session.expired", &session);
        }
    }

    fn open_session(&self, id: &str) -> Result<Value, ApiError> {
        let session = self.find(SESSION, id)?;
        if session["status"] == "open" {
            return Ok(session);
        }
        Err(ApiError::invalid(format!(
            "This Checkout Session has a status of `{}`.",
            text(&session, "status")
        )))
    }

    fn pay_once(&mut self, session: &Value) -> Result<Value, ApiError> {
        let id = text(session, "id");
        let customer = self.payer(session);
        if number(session, "amount_total") == 0 {
            return self.complete(id, json!({"customer": customer}));
        }
        let intent = self.session_intent(session, &customer)?;
        let method = self.method_for(&customer);
        if let Outcome::Declined(code) = self.charge(&intent, &method)? {
            return Err(ApiError::card_declined(code));
        }
        self.complete(
            id,
            json!({"customer": customer, "payment_intent": intent, "payment_status": "paid"}),
        )
    }

    fn subscribe(&mut self, session: &Value) -> Result<Value, ApiError> {
        let id = text(session, "id");
        let customer = self.payer(session);
        let customer_id = customer.as_str().unwrap_or_default().to_owned();
        let method = self.method_for(&customer);
        // A decline comes before the subscription exists; the page asks for another card.
        self.require_payment(&customer_id, Some(&method))?;
        if self.find(METHOD, &method)?["customer"].is_null() {
            self.attach_to(&method, &customer)?;
        }
        let data = &session[PRIVATE];
        let lines = session[LINE_ITEMS].as_array().cloned().unwrap_or_default();
        let wanted = |line: &Value| NewItem {
            price: line["price"].clone(),
            quantity: line["quantity"].as_i64(),
            metadata: json!({}),
        };
        let (recurring_lines, one_time): (Vec<Value>, Vec<Value>) = lines
            .into_iter()
            .partition(|line| line["price"]["type"] == "recurring");
        let start = NewSubscription {
            customer: customer_id,
            items: recurring_lines.iter().map(wanted).collect(),
            one_time: one_time.iter().map(wanted).collect(),
            method: json!(method),
            trial_end: data["trial_end"].as_i64(),
            missing_method: data["missing_payment_method"]
                .as_str()
                .unwrap_or("create_invoice")
                .to_owned(),
            metadata: data["metadata"].clone(),
            description: data["description"].clone(),
            cancel_at_period_end: false,
            pay_immediately: true,
            billing_mode: BillingMode::Flexible,
        };
        let (subscription, _) = self.start_subscription(start)?;
        let invoice = self.find(SUBSCRIPTION, &subscription)?["latest_invoice"].clone();
        let paid = if session["payment_status"] == "unpaid" {
            json!("paid")
        } else {
            session["payment_status"].clone()
        };
        let fields = json!({"customer": customer, "invoice": invoice, "payment_status": paid, "subscription": subscription});
        self.complete(id, fields)
    }

    fn set_up(&mut self, session: &Value) -> Result<Value, ApiError> {
        let customer = self.payer(session);
        let id = self.fresh_id(SETUP);
        let setup = shape(
            &SETUP_NULLS,
            json!({
                "id": id,
                "object": SETUP.object,
                "client_secret": format!("{id}_secret_test"),
                "created": self.now,
                "customer": customer,
                "description": session[PRIVATE]["description"],
                "livemode": false,
                "metadata": session[PRIVATE]["metadata"],
                "payment_method_options": {},
                "payment_method_types": ["card"],
                "status": "requires_payment_method",
                "usage": "off_session",
            }),
        );
        self.create(SETUP, "setup_intent.created", setup);
        let method = self.visa();
        self.attach_to(&method, &customer)?;
        let setup = self.set(
            SETUP,
            &id,
            json!({"payment_method": method, "status": "succeeded"}),
        )?;
        self.emit("setup_intent.succeeded", &setup);
        self.complete(
            text(session, "id"),
            json!({"customer": customer, "setup_intent": id}),
        )
    }

    /// The customer of the session, created if the session asks for that.
    pub fn payer(&mut self, session: &Value) -> Value {
        if session["customer"].is_string() || session["customer_creation"] != "always" {
            return session["customer"].clone();
        }
        let now = self.now;
        let id = self.fresh_id(CUSTOMER);
        let mut customer = customers::blank(&id, now);
        customer["email"] = session["customer_details"]["email"].clone();
        self.create(CUSTOMER, "customer.created", customer);
        // Saved now, so that a second attempt after a declined card does not create a second
        // customer.
        let _kept = self.set(SESSION, text(session, "id"), json!({"customer": id}));
        json!(id)
    }

    /// The payment intent of a session, reused after a failed attempt.
    fn session_intent(&mut self, session: &Value, customer: &Value) -> Result<String, ApiError> {
        let mut data = session[PRIVATE].clone();
        if let Some(intent) = data["intent"].as_str() {
            return Ok(intent.to_owned());
        }
        let intent = self.create_intent(NewPayment {
            amount: number(session, "amount_total"),
            currency: session["currency"].clone(),
            customer: customer.clone(),
            description: data["description"].clone(),
            metadata: data["metadata"].clone(),
        });
        data["intent"] = json!(intent);
        self.set(SESSION, text(session, "id"), json!({PRIVATE: data}))?;
        Ok(intent)
    }

    /// The customer's default card, or a new one.
    pub fn method_for(&mut self, customer: &Value) -> String {
        let known = customer
            .as_str()
            .and_then(|id| self.find(CUSTOMER, id).ok());
        let default =
            known.map(|customer| customer["invoice_settings"]["default_payment_method"].clone());
        match default
            .as_ref()
            .and_then(Value::as_str)
            .filter(|id| self.find(METHOD, id).is_ok())
        {
            Some(id) => id.to_owned(),
            None => self.visa(),
        }
    }

    /// A card that pays.
    pub fn visa(&mut self) -> String {
        card("pm_card_visa")
            .map(|card| self.new_card(card))
            .unwrap_or_default()
    }

    /// Attaches a payment method to a customer.
    pub fn attach_to(&mut self, method: &str, customer: &Value) -> Result<(), ApiError> {
        if customer.is_string() {
            let method = self.set(METHOD, method, json!({"customer": customer}))?;
            self.emit("payment_method.attached", &method);
        }
        Ok(())
    }

    /// Completes a session.
    pub fn complete(&mut self, id: &str, fields: Value) -> Result<Value, ApiError> {
        let customer = fields["customer"]
            .as_str()
            .and_then(|id| self.find(CUSTOMER, id).ok());
        self.set(SESSION, id, fields)?;
        let mut last = json!({"status": "complete", "url": null});
        if customer.is_some() {
            last["customer_details"] = sessions::customer_details(customer.as_ref(), None);
        }
        let session = self.set(SESSION, id, last)?;
        self.emit("checkout.session.completed", &session);
        Ok(session)
    }
}

const SETUP_NULLS: [&str; 14] = [
    "allowed_payment_method_types",
    "application",
    "automatic_payment_methods",
    "cancellation_reason",
    "excluded_payment_method_types",
    "flow_directions",
    "last_setup_error",
    "latest_attempt",
    "mandate",
    "next_action",
    "on_behalf_of",
    "payment_method",
    "payment_method_configuration_details",
    "single_use_mandate",
];
