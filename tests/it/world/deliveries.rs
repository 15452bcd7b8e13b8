//! Incoming requests: deliveries of GitHub and Stripe, and requests of operators.

use super::*;

impl World {
    /// Sends a sample event as GitHub under a new delivery id. Returns the id.
    pub async fn github_sends(&self, sample: &str) -> String {
        self.github_sends_changed(sample, |_| {}).await
    }

    /// Sends a changed sample event as GitHub.
    pub async fn github_sends_changed(
        &self,
        sample: &str,
        change: impl FnOnce(&mut Value),
    ) -> String {
        let mut body = fixture("github", sample);
        change(&mut body);
        body["marker"] = leaks::MARKER.into();
        let delivery = self.fresh_delivery();
        let event = sample.split('.').next().expect("a name");
        let response = self
            .github_delivers(event, &delivery, &serde_json::to_vec(&body).expect("JSON"))
            .await;
        if self.vendors.github.receiver_status().is_none() {
            assert_eq!(response.status(), StatusCode::ACCEPTED);
        }
        delivery
    }

    /// A delivery id that has not been used.
    pub fn fresh_delivery(&self) -> String {
        let n = self.deliveries.fetch_add(1, Ordering::Relaxed);
        format!("72d3162e-cc78-11e3-81ab-{n:012}")
    }

    /// Sends one delivery as GitHub, which logs how it ended.
    pub async fn github_delivers(
        &self,
        event: &str,
        delivery: &str,
        body: &[u8],
    ) -> Response<bytes::Bytes> {
        let github = &self.vendors.github;
        let response = match github.receiver_status() {
            Some(status) => unreached(status),
            None => {
                let request = github_request(BASE, LOCAL_SECRET, event, delivery, body);
                self.github_receives(request).await
            }
        };
        github.delivery_ended(delivery, event, body, response.status().as_u16());
        response
    }

    /// Delivers again what the App has asked GitHub for. Returns the number of deliveries.
    pub async fn github_redelivers(&self) -> usize {
        let again = self.vendors.github.redeliveries_take();
        for one in &again {
            self.github_delivers(&one.event, &one.guid, one.body.as_bytes())
                .await;
        }
        again.len()
    }

    /// Sends any request to GitHub's receiver; a function that dies answers 502.
    pub async fn github_receives(&self, request: Request<bytes::Bytes>) -> Response<bytes::Bytes> {
        let receive = github_webhook::receive(&self.stack.github_webhook, request);
        let response = self.stack.faults.run(receive).await.unwrap_or_else(died);
        leaks::look("/github/webhook", &response);
        response
    }

    /// Sends a sample event as Stripe, signed now.
    pub async fn stripe_sends_changed(
        &self,
        sample: &str,
        change: impl FnOnce(&mut Value),
    ) -> StatusCode {
        let mut body = fixture("stripe", sample);
        change(&mut body);
        self.stripe_delivers(&body).await
    }

    /// Sends one event as Stripe, signed now.
    pub async fn stripe_delivers(&self, event: &Value) -> StatusCode {
        let now = self.stack.outside.now().seconds();
        let mut event = event.clone();
        let object = if event["data"]["object"].is_object() {
            &mut event["data"]["object"]
        } else {
            &mut event
        };
        object["marker"] = leaks::MARKER.into();
        let body = serde_json::to_vec(&event).expect("JSON");
        self.stripe_receives(stripe_request(BASE, LOCAL_SECRET, now, &body))
            .await
            .status()
    }

    /// Stripe's new events do not arrive: the endpoint is disabled. Returns them.
    pub fn stripe_loses(&self) -> Vec<Value> {
        let events = self.vendors.stripe.outbox_take();
        for event in &events {
            let id = event["id"].as_str().expect("an id");
            self.vendors.stripe.lose_event(id).expect("it exists");
        }
        events
    }

    /// Delivers Stripe's new events; with faults, each event twice and in any order. Like Stripe,
    /// it repeats events that are not accepted. Returns the number of events.
    pub async fn stripe_hands_over(&self) -> usize {
        let mut events = self.vendors.stripe.outbox_take();
        let count = events.len();
        if let FaultPlan::Seeded(_) = self.fault_plan {
            events.extend(events.clone());
            let mut placed: Vec<_> = events
                .into_iter()
                .map(|event| (self.draw(), event))
                .collect();
            placed.sort_by_key(|(place, _)| *place);
            events = placed.into_iter().map(|(_, event)| event).collect();
        }
        for event in events {
            let mut tries = 0;
            while !self.stripe_delivers(&event).await.is_success() {
                tries += 1;
                assert!(tries < 20, "no receiver accepts {}", event["id"]);
            }
        }
        count
    }

    pub fn draw(&self) -> u64 {
        let next = |seed| Some(scramble(seed));
        self.draws
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next)
            .expect("always some")
    }

    /// Sends any request to Stripe's receiver.
    pub async fn stripe_receives(&self, request: Request<bytes::Bytes>) -> Response<bytes::Bytes> {
        let receive = stripe_webhook::receive(&self.stack.stripe_webhook, request);
        let response = self.stack.faults.run(receive).await.unwrap_or_else(died);
        leaks::look("/stripe/webhook", &response);
        response
    }

    /// Sends an operator's request to the admin API.
    pub async fn operator(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> (StatusCode, Value) {
        let response = self
            .admin_request(method, path, Some("local-token"), body)
            .await;
        let status = response.status();
        (
            status,
            serde_json::from_slice(response.body()).unwrap_or(Value::Null),
        )
    }

    /// Sends any request to the admin API.
    pub async fn admin_request(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Option<&Value>,
    ) -> Response<bytes::Bytes> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{BASE}{path}"));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let body = match body {
            Some(body) => {
                request = request.header("content-type", "application/json");
                serde_json::to_vec(body).expect("JSON").into()
            }
            None => bytes::Bytes::new(),
        };
        let respond = admin::respond(
            self.stack.admin.clone(),
            request.body(body).expect("a request"),
        );
        let response = self.stack.faults.run(respond).await.unwrap_or_else(died);
        leaks::look(path, &response);
        response
    }
}

fn died() -> Response<bytes::Bytes> {
    unreached(502)
}

fn unreached(status: u16) -> Response<bytes::Bytes> {
    Response::builder()
        .status(status)
        .body(bytes::Bytes::new())
        .expect("a response")
}
