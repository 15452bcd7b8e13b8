//! What people do at a session's page: pay, pay by a method that takes days, leave it until it expires. Each of these
//! is one visit to the desk, with all the events that Stripe sends for it.

use serde_json::{Value, json};

use super::Stripe;
use super::cards::card;
use super::cycles::{Start, Wanted};
use super::desk::{Desk, number, shape, text};
use super::objects::{CUSTOMER, LINE_ITEMS, METHOD, PRIVATE, SESSION, SETUP, SUBSCRIPTION, shown};
use super::payments::{Bill, Outcome};
use super::refusal::Refusal;
use super::{customers, sessions};

/// How a payment that takes days ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// The money arrived.
    Paid,
    /// It never will.
    Failed,
}

impl Stripe {
    /// Somebody pays an open session, with the customer's card if there is one. The session as it is afterwards; a
    /// card that is declined leaves it open.
    pub fn pay_session(&self, session: &str) -> Result<Value, Refusal> {
        self.desk()
            .pay_session(session)
            .map(|session| shown(&session))
    }

    /// Somebody pays an open session from a bank account: it completes, unpaid until [`Stripe::settle_session`].
    pub fn pay_session_later(&self, session: &str) -> Result<Value, Refusal> {
        self.desk()
            .pay_session_later(session)
            .map(|session| shown(&session))
    }

    /// What becomes of a payment that [`Stripe::pay_session_later`] began.
    pub fn settle_session(&self, session: &str, settlement: Settlement) -> Result<Value, Refusal> {
        self.desk()
            .settle_session(session, settlement)
            .map(|session| shown(&session))
    }

    /// An open session's time is over.
    pub fn expire_session(&self, session: &str) -> Result<Value, Refusal> {
        self.desk()
            .expire_session(session)
            .map(|session| shown(&session))
    }

    /// A checkout session as Stripe would answer it.
    pub fn session(&self, id: &str) -> Result<Value, Refusal> {
        self.read(SESSION, id)
    }

    /// Every checkout session, oldest first.
    pub fn sessions(&self) -> Vec<Value> {
        self.read_all(SESSION)
    }
}

impl Desk<'_> {
    pub fn pay_session(&mut self, id: &str) -> Result<Value, Refusal> {
        let session = self.open_session(id)?;
        match text(&session, "mode") {
            "setup" => self.set_up(&session),
            "subscription" => self.subscribe(&session),
            _ => self.pay_once(&session),
        }
    }

    pub fn pay_session_later(&mut self, id: &str) -> Result<Value, Refusal> {
        let session = self.open_session(id)?;
        if session["mode"] != "payment" || number(&session, "amount_total") == 0 {
            return Err(Refusal::invalid(
                "Only a session in `payment` mode can be paid by a method that takes days.",
            ));
        }
        let customer = self.payer(&session);
        let intent = self.session_intent(&session, &customer)?;
        let account = self.new_bank_account();
        self.charge_slowly(&intent, &account)?;
        self.complete(id, json!({"customer": customer, "payment_intent": intent}))
    }

    pub fn settle_session(&mut self, id: &str, settlement: Settlement) -> Result<Value, Refusal> {
        let session = self.find(SESSION, id)?;
        let intent = text(&session, "payment_intent");
        let waits = self
            .find(super::objects::INTENT, intent)
            .is_ok_and(|intent| intent["status"] == "processing");
        if !waits {
            return Err(Refusal::invalid(
                "No payment of this session is in processing.",
            ));
        }
        match settlement {
            Settlement::Paid => {
                self.end_slow_charge(intent, Ok(()))?;
                let session = self.set(SESSION, id, json!({"payment_status": "paid"}))?;
                self.announce("checkout.session.async_payment_succeeded", &session);
                Ok(session)
            }
            Settlement::Failed => {
                self.end_slow_charge(intent, Err("insufficient_funds"))?;
                self.announce("checkout.session.async_payment_failed", &session);
                Ok(session)
            }
        }
    }

    pub fn expire_session(&mut self, id: &str) -> Result<Value, Refusal> {
        let session = self.find(SESSION, id)?;
        if session["status"] != "open" {
            let message = format!(
                "Only Checkout Sessions with a status in [\"open\"] can be expired. This Checkout Session has a status \
                 of `{}`.",
                text(&session, "status")
            );
            return Err(Refusal::invalid(message));
        }
        self.close_unpaid(id);
        self.find(SESSION, id)
    }

    /// An open session expires.
    pub fn close_unpaid(&mut self, id: &str) {
        if let Ok(session) = self.set(SESSION, id, json!({"status": "expired", "url": null})) {
            self.announce("checkout.session.expired", &session);
        }
    }

    fn open_session(&self, id: &str) -> Result<Value, Refusal> {
        let session = self.find(SESSION, id)?;
        if session["status"] == "open" {
            return Ok(session);
        }
        Err(Refusal::invalid(format!(
            "This Checkout Session has a status of `{}`.",
            text(&session, "status")
        )))
    }

    fn pay_once(&mut self, session: &Value) -> Result<Value, Refusal> {
        let id = text(session, "id");
        let customer = self.payer(session);
        if number(session, "amount_total") == 0 {
            return self.complete(id, json!({"customer": customer}));
        }
        let intent = self.session_intent(session, &customer)?;
        let method = self.method_for(&customer);
        if let Outcome::Declined(code) = self.charge(&intent, &method)? {
            return Err(Refusal::card_declined(code));
        }
        self.complete(
            id,
            json!({"customer": customer, "payment_intent": intent, "payment_status": "paid"}),
        )
    }

    fn subscribe(&mut self, session: &Value) -> Result<Value, Refusal> {
        let id = text(session, "id");
        let customer = self.payer(session);
        let customer_id = customer.as_str().unwrap_or_default().to_owned();
        let method = self.method_for(&customer);
        // The bank says no before there is a subscription; the page asks for another card.
        self.try_out(&customer_id, Some(&method))?;
        if self.find(METHOD, &method)?["customer"].is_null() {
            self.give(&method, &customer)?;
        }
        let data = &session[PRIVATE];
        let lines = session[LINE_ITEMS].as_array().cloned().unwrap_or_default();
        let wanted = |line: &Value| Wanted {
            price: line["price"].clone(),
            quantity: line["quantity"].as_i64(),
            metadata: json!({}),
        };
        let (again, once): (Vec<Value>, Vec<Value>) = lines
            .into_iter()
            .partition(|line| line["price"]["type"] == "recurring");
        let start = Start {
            customer: customer_id,
            items: again.iter().map(wanted).collect(),
            once: once.iter().map(wanted).collect(),
            method: json!(method),
            trial_end: data["trial_end"].as_i64(),
            missing_method: data["missing_payment_method"]
                .as_str()
                .unwrap_or("create_invoice")
                .to_owned(),
            metadata: data["metadata"].clone(),
            description: data["description"].clone(),
            cancel_at_period_end: false,
            try_at_once: true,
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

    fn set_up(&mut self, session: &Value) -> Result<Value, Refusal> {
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
        self.give(&method, &customer)?;
        let setup = self.set(
            SETUP,
            &id,
            json!({"payment_method": method, "status": "succeeded"}),
        )?;
        self.announce("setup_intent.succeeded", &setup);
        self.complete(
            text(session, "id"),
            json!({"customer": customer, "setup_intent": id}),
        )
    }

    /// The session's customer; one is made where the session asks for it.
    pub fn payer(&mut self, session: &Value) -> Value {
        if session["customer"].is_string() || session["customer_creation"] != "always" {
            return session["customer"].clone();
        }
        let now = self.now;
        let id = self.fresh_id(CUSTOMER);
        let mut customer = customers::blank(&id, now);
        customer["email"] = session["customer_details"]["email"].clone();
        self.create(CUSTOMER, "customer.created", customer);
        // Kept at once, so that a second try after a declined card does not make a second customer.
        let _kept = self.set(SESSION, text(session, "id"), json!({"customer": id}));
        json!(id)
    }

    /// The intent of a session: the one of an earlier try, if there was one.
    fn session_intent(&mut self, session: &Value, customer: &Value) -> Result<String, Refusal> {
        let mut data = session[PRIVATE].clone();
        if let Some(intent) = data["intent"].as_str() {
            return Ok(intent.to_owned());
        }
        let intent = self.ask(Bill {
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

    /// The customer's own card, or one that nobody keeps.
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

    /// A payment method becomes a customer's.
    pub fn give(&mut self, method: &str, customer: &Value) -> Result<(), Refusal> {
        if customer.is_string() {
            let method = self.set(METHOD, method, json!({"customer": customer}))?;
            self.announce("payment_method.attached", &method);
        }
        Ok(())
    }

    /// The session is through.
    pub fn complete(&mut self, id: &str, fields: Value) -> Result<Value, Refusal> {
        let customer = fields["customer"]
            .as_str()
            .and_then(|id| self.find(CUSTOMER, id).ok());
        self.set(SESSION, id, fields)?;
        let mut last = json!({"status": "complete", "url": null});
        if customer.is_some() {
            last["customer_details"] = sessions::who(customer.as_ref(), None);
        }
        let session = self.set(SESSION, id, last)?;
        self.announce("checkout.session.completed", &session);
        Ok(session)
    }
}

const SETUP_NULLS: [&str; 11] = [
    "application",
    "automatic_payment_methods",
    "cancellation_reason",
    "flow_directions",
    "last_setup_error",
    "latest_attempt",
    "mandate",
    "next_action",
    "on_behalf_of",
    "payment_method",
    "single_use_mandate",
];
