//! `/api/v1/notices`: customers choose the topics; operators set the address.

use crate::world::program::program;
use serde_json::json;

const PATH: &str = "/api/v1/notices";

#[tokio::test(start_paused = true)]
async fn customers_switch_kinds_of_notice_on_and_off() {
    let program = program("credits", &[]).await;
    let before = program.get(PATH).await;
    assert_eq!(
        (&before["has_address"], &before["kinds"]["job_finished"]),
        (&json!(false), &json!(false))
    );
    let wanted = json!({ "kinds": { "job_finished": true, "low_balance": false } });
    let (status, changed) = program.ask("PATCH", PATH, Some(&wanted)).await;
    assert_eq!(status, 200, "{changed}");
    let mut expected = before.clone();
    expected["kinds"]["job_finished"] = true.into();
    expected["kinds"]["low_balance"] = false.into();
    assert_eq!((&changed, &program.get(PATH).await), (&expected, &expected));
    for (wanted, code) in [
        (
            json!({ "kinds": { "job_finished": false, "faults": true } }),
            "bad_kind",
        ),
        (
            json!({ "kinds": {}, "address": "me@acme.example" }),
            "bad_body",
        ),
        (json!({ "kinds": { "low_balance": "yes" } }), "bad_body"),
        (json!({}), "bad_body"),
    ] {
        let (status, answer) = program.ask("PATCH", PATH, Some(&wanted)).await;
        assert!(status == 400 && answer["code"] == code, "{status} {answer}");
    }
    assert_eq!(
        program.get(PATH).await,
        expected,
        "nothing of what was refused was done"
    );
    program.world.done().await;
}
