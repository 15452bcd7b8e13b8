//! A thousand deliveries of both senders within a minute. The test counts their outcomes on the
//! world's clock; the benches measure real time.

use crate::world::verbs::together;
use crate::world::{World, fixture};
use domain::inbox::{EventSource, EventState};
use http::StatusCode;
use serde_json::json;
use std::time::Duration;

/// Twenty bursts of fifty deliveries, three seconds apart; every fourth delivery is a repeat. Each
/// delivery is accepted, and each event is recorded once and processed.
#[tokio::test(start_paused = true)]
async fn thousand_webhooks_a_minute() {
    let world = World::start().await;
    let (body, world_ref) = (
        br#"{"zen":"Keep it logically awesome."}"#.as_slice(),
        &world,
    );
    let of = |n: u32| format!("load-{n:04}");
    let started = world.stack.outside.now();
    for burst in 0..20 {
        let deliveries = (burst * 50..burst * 50 + 50).map(|n| async move {
            match n % 4 {
                0 | 1 => world_ref
                    .github_delivers("ping", &of(n), body)
                    .await
                    .status(),
                // Repeats GitHub's delivery before the last one.
                2 => world_ref
                    .github_delivers("ping", &of(n - 2), body)
                    .await
                    .status(),
                _ => {
                    let mut event = fixture("stripe", "invoice.paid");
                    (event["id"], event["type"]) =
                        (json!(format!("evt_load{n:04}")), json!("tax_rate.created"));
                    world_ref.stripe_delivers(&event).await
                }
            }
        });
        assert!(
            together(deliveries)
                .await
                .into_iter()
                .all(|status| status == StatusCode::ACCEPTED)
        );
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
    let seconds = world.stack.outside.now().since(started).as_secs();
    assert!((57..=60).contains(&seconds), "it took {seconds} s");
    world.settle().await;
    for n in 0..1000 {
        let event = match n % 4 {
            0 | 1 => world.event(EventSource::Github, &of(n)).await,
            2 => continue,
            _ => {
                world
                    .event(EventSource::Stripe, &format!("evt_load{n:04}"))
                    .await
            }
        };
        assert_eq!(
            event.expect("it is recorded").state,
            EventState::Ignored,
            "{n}"
        );
    }
    let heads = world.stack.tables.rows("tallyhook-events");
    let heads = heads.iter().filter(|row| row["sk"]["S"] == "HEAD").count();
    assert_eq!(heads, 750, "and nothing else");
    world.done().await;
}
