//! The mails as customers read them.

use super::*;

/// Compares a text with the one in the test, which is indented by four spaces.
fn assert_reads(text: &str, expected: &str) {
    let expected: Vec<_> = expected
        .trim()
        .lines()
        .map(|line| line.strip_prefix("    ").unwrap_or(line))
        .collect();
    assert_eq!(text.trim_end(), expected.join("\n"));
}

fn text(kind: NoticeKind, words: &str, link: Option<&str>) -> String {
    let mail = worded(kind, words, link, None);
    format!("Subject: {}\n\n{}", mail.subject, mail.text)
}

const DASHBOARD: Option<&str> = Some("https://tallyhook.example/billing");

#[test]
fn a_welcome() {
    let words = "the account of acme is ready.";
    let mail = worded(
        NoticeKind::Welcome,
        words,
        Some("https://tallyhook.example/welcome/once"),
        DASHBOARD,
    );
    assert_reads(
        &format!("Subject: {}\n\n{}", mail.subject, mail.text),
        r#"
    Subject: Welcome to Tallyhook

    Hello,

    The account of acme is ready.

    Once the App is installed on GitHub and this account pays there, an issue with the right label or comment becomes a pull request.

    Open this page to get your first API key. The link is for you alone; it works once, within seven days.

    Get your key: https://tallyhook.example/welcome/once

    Your dashboard: https://tallyhook.example/billing

    Tallyhook
    You receive this mail because your address belongs to a Tallyhook account. Replies to this address are not monitored.
    "#,
    );
}

#[test]
fn a_failed_payment() {
    let words = "The payment of 29.00 USD for invoice TH-7 has failed. Stripe may try again. Pro stays active until 2026-12-04; after that it is suspended until the invoice is paid.";
    assert_reads(
        &text(NoticeKind::PaymentFailed, words, DASHBOARD),
        r#"
    Subject: A payment has failed

    Hello,

    The payment of 29.00 USD for invoice TH-7 has failed. Stripe may try again. Pro stays active until 2026-12-04; after that it is suspended until the invoice is paid.

    If Stripe tries again and succeeds, you do not have to do anything.

    Please check that your card is still valid, and update it if necessary.

    Check your payment method: https://tallyhook.example/billing

    Tallyhook
    You receive this mail because your address belongs to a Tallyhook account. Replies to this address are not monitored.
    "#,
    );
}

#[test]
fn a_payment_to_confirm() {
    let words =
        "The payment of 29.00 USD for invoice TH-7 has to be confirmed on the invoice's page.";
    assert_reads(
        &text(NoticeKind::ActionRequired, words, DASHBOARD),
        r#"
    Subject: A payment needs your confirmation

    Hello,

    The payment of 29.00 USD for invoice TH-7 has to be confirmed on the invoice's page.

    The invoice stays open until you confirm it.

    Please confirm the payment; your bank requires it.

    Confirm the payment: https://tallyhook.example/billing

    Tallyhook
    You receive this mail because your address belongs to a Tallyhook account. Replies to this address are not monitored.
    "#,
    );
}

#[test]
fn a_trial_that_ends() {
    let words = "The trial of Pro ends on 2026-12-04; after that it has to be paid for.";
    assert_reads(
        &text(NoticeKind::TrialEnding, words, DASHBOARD),
        r#"
    Subject: Your trial ends soon

    Hello,

    The trial of Pro ends on 2026-12-04; after that it has to be paid for.

    With a payment method, your plan continues and is charged; without one, it ends.

    Please decide whether you want to continue, and add a payment method if you do.

    Review your plan: https://tallyhook.example/billing

    Tallyhook
    You receive this mail because your address belongs to a Tallyhook account. Replies to this address are not monitored.
    "#,
    );
}

#[test]
fn a_plan_that_is_about_to_stop() {
    let words = "Pro is suspended on 2026-12-04 unless invoice TH-7 (29.00 USD) is paid by then.";
    assert_reads(
        &text(NoticeKind::ServiceEnding, words, DASHBOARD),
        r#"
    Subject: Your plan is about to be suspended

    Hello,

    Pro is suspended on 2026-12-04 unless invoice TH-7 (29.00 USD) is paid by then.

    Once the invoice is paid, your plan continues without interruption.

    Please pay the invoice, or update your payment method.

    Pay the invoice: https://tallyhook.example/billing

    Tallyhook
    You receive this mail because your address belongs to a Tallyhook account. Replies to this address are not monitored.
    "#,
    );
}

#[test]
fn a_plan_that_has_stopped() {
    let words = "Pro is suspended, because invoice TH-7 (29.00 USD) is not paid.";
    assert_reads(
        &text(NoticeKind::ServiceStopped, words, DASHBOARD),
        r#"
    Subject: Your plan no longer applies

    Hello,

    Pro is suspended, because invoice TH-7 (29.00 USD) is not paid.

    Jobs and calls that it covered may be refused from now on.

    To continue, pay the invoice or choose a plan.

    See your plan: https://tallyhook.example/billing

    Tallyhook
    You receive this mail because your address belongs to a Tallyhook account. Replies to this address are not monitored.
    "#,
    );
}

#[test]
fn a_quota_that_is_nearly_used() {
    let words = "8 of the 10 pull requests of the plan Basic are used. When they are used up, further ones are refused until the next period begins on 2026-12-01.";
    assert_reads(
        &text(NoticeKind::QuotaNearlyUsed, words, DASHBOARD),
        r#"
    Subject: Most of your quota is used

    Hello,

    8 of the 10 pull requests of the plan Basic are used. When they are used up, further ones are refused until the next period begins on 2026-12-01.

    You can see your usage, and other plans, in your dashboard.

    See your usage: https://tallyhook.example/billing

    Tallyhook
    You receive this mail because your address belongs to a Tallyhook account. Replies to this address are not monitored.
    "#,
    );
}

#[test]
fn a_quota_that_is_used() {
    let words = "60 of the 60 pull requests of the plan Teams are used. Work continues, and each further one costs 8.00 USD.";
    assert_reads(
        &text(NoticeKind::QuotaUsed, words, DASHBOARD),
        r#"
    Subject: Your quota is used up

    Hello,

    60 of the 60 pull requests of the plan Teams are used. Work continues, and each further one costs 8.00 USD.

    You can see your usage, and other plans, in your dashboard.

    See your usage: https://tallyhook.example/billing

    Tallyhook
    You receive this mail because your address belongs to a Tallyhook account. Replies to this address are not monitored.
    "#,
    );
}

#[test]
fn a_low_balance() {
    let words = "40 credits are left to spend.";
    assert_reads(
        &text(NoticeKind::LowBalance, words, DASHBOARD),
        r#"
    Subject: Your balance is low

    Hello,

    40 credits are left to spend.

    Jobs that are running are paid for; a new job needs enough credits when it starts.

    Top up before the balance runs out.

    Top up: https://tallyhook.example/billing

    Tallyhook
    You receive this mail because your address belongs to a Tallyhook account. Replies to this address are not monitored.
    "#,
    );
}

#[test]
fn an_empty_balance() {
    let words = "a job on the plan Credits reserves 100 credits, and 40 are available.";
    assert_reads(
        &text(NoticeKind::TopUpNeeded, words, None),
        r#"
    Subject: Credits are used up

    Hello,

    A job on the plan Credits reserves 100 credits, and 40 are available.

    An issue got a comment instead of a pull request. Other issues will, too, until there are credits again.

    Top up, and ask again under the issue.

    Tallyhook
    You receive this mail because your address belongs to a Tallyhook account. Replies to this address are not monitored.
    "#,
    );
}

#[test]
fn a_finished_job() {
    let words = "The job for issue 7 of acme/greeter ended with a pull request.";
    assert_reads(
        &text(NoticeKind::JobFinished, words, DASHBOARD),
        r#"
    Subject: A job has finished

    Hello,

    The job for issue 7 of acme/greeter ended with a pull request.

    You can see the result in your dashboard.

    See your jobs: https://tallyhook.example/billing

    Tallyhook
    You receive this mail because your address belongs to a Tallyhook account. Replies to this address are not monitored.
    "#,
    );
}

#[test]
fn what_comes_from_elsewhere_stays_text() {
    let words = "<b>\"Basic\" & 'more'</b>";
    let mail = worded(
        NoticeKind::LowBalance,
        words,
        Some("https://x/?a=1&b=\"><script>"),
        None,
    );
    assert_reads(
        &mail.html.replace("<p", "\n<p"),
        r#"
    <!doctype html><html lang="en"><meta charset="utf-8"><title>Your balance is low</title><body style="font:16px/1.5 system-ui,sans-serif;max-width:36rem;margin:2rem auto;padding:0 1rem">
    <p>Hello,</p>
    <p>&lt;b&gt;&quot;Basic&quot; &amp; &#39;more&#39;&lt;/b&gt;</p>
    <p>Jobs that are running are paid for; a new job needs enough credits when it starts.</p>
    <p>Top up before the balance runs out.</p>
    <p><a href="https://x/?a=1&amp;b=&quot;&gt;&lt;script&gt;">Top up</a></p>
    <p style="color:#666;font-size:.85em">Tallyhook<br>You receive this mail because your address belongs to a Tallyhook account. Replies to this address are not monitored.</p></body></html>
    "#,
    );
}

#[test]
fn words_have_an_end() {
    assert_eq!(
        sentence(&"x".repeat(WORDS_CHARS_MAX + 1)).len(),
        WORDS_CHARS_MAX
    );
    assert_eq!(sentence(" "), "");
}
