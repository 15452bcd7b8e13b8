//! Delivers the stand-in GitHub's webhooks, as GitHub does, and tells it how each delivery ended.

use crate::signing::github_request;
use crate::stack::Stack;

impl Stack {
    /// Delivers the webhooks for what people did on the stand-in GitHub, signed as GitHub signs
    /// them, and those that the App asked for again. Like GitHub, it does not repeat a refused
    /// delivery automatically.
    pub async fn github_webhooks(&self) {
        let github = &self.vendors.github;
        for webhook in github.outbox_take() {
            let body = webhook.payload.to_string();
            self.github_delivers(webhook.event, &self.delivery_id(), body.as_bytes())
                .await;
        }
        for again in github.redeliveries_take() {
            self.github_delivers(&again.event, &again.guid, again.body.as_bytes())
                .await;
        }
    }

    async fn github_delivers(&self, event: &str, guid: &str, body: &[u8]) {
        let github = &self.vendors.github;
        let status = match github.receiver_status() {
            Some(status) => status,
            None => {
                let request = github_request("", &self.github_secret, event, guid, body);
                let response = github_webhook::receive(&self.github_webhook, request).await;
                response.status().as_u16()
            }
        };
        github.delivery_ended(guid, event, body, status);
        if !(200..300).contains(&status) {
            tracing::warn!(
                status,
                event,
                "a webhook of the stand-in GitHub was refused"
            );
        }
    }

    /// A new `X-GitHub-Delivery`.
    pub fn delivery_id(&self) -> String {
        let random = [(self.outside.random)(), (self.outside.random)()];
        let text = format!("{:016x}{:016x}", random[0], random[1]);
        [
            &text[..8],
            &text[8..12],
            &text[12..16],
            &text[16..20],
            &text[20..],
        ]
        .join("-")
    }
}
