//! The texts of mails: what happened, what happens next, and what to do.
//!
//! Every mail is plain text and HTML with the same words. Text from elsewhere (a plan's name, an
//! invoice's number, a link) is escaped in the HTML and never appears in a subject.

use domain::notices::NoticeKind;
use std::fmt::Write;
use store::Untold;

pub struct Worded {
    pub subject: &'static str,
    pub text: String,
    pub html: String,
}

/// The fixed texts of a kind.
struct Frame {
    subject: &'static str,
    /// What happens next. May be empty.
    next: &'static str,
    todo: &'static str,
    /// The link's label.
    label: &'static str,
}

/// The fixed texts in the order of [`Frame`].
type Texts = (&'static str, &'static str, &'static str, &'static str);

const SERVICE_ENDING: Texts = (
    "Your plan is about to be suspended",
    "Once the invoice is paid, your plan continues without interruption.",
    "Please pay the invoice, or update your payment method.",
    "Pay the invoice",
);
const SERVICE_STOPPED: Texts = (
    "Your plan no longer applies",
    "Jobs and calls that it covered may be refused from now on.",
    "To continue, pay the invoice or choose a plan.",
    "See your plan",
);
// What happens beyond a quota depends on the plan, so the notice's own words say it.
const QUOTA_NEARLY_USED: Texts = (
    "Most of your quota is used",
    "",
    "You can see your usage, and other plans, in your dashboard.",
    "See your usage",
);
const QUOTA_USED: Texts = (
    "Your quota is used up",
    "",
    "You can see your usage, and other plans, in your dashboard.",
    "See your usage",
);

const TOP_UP_CHARGED: Texts = (
    "Your balance was topped up",
    "",
    "You can change automatic top-up, or switch it off, in your dashboard.",
    "See your balance",
);
const TOP_UP_CONFIRM: Texts = (
    "A top-up needs your confirmation",
    "The credits arrive as soon as you have confirmed. If you do nothing within a day, nothing is charged, and automatic \
     top-up is switched off.",
    "Please confirm the payment; your bank requires it.",
    "Confirm the payment",
);
const TOP_UP_OFF: Texts = (
    "Automatic top-up is off",
    "Nothing more is charged automatically. When the credits are used up, new work is refused.",
    "Please top up by hand, or check your payment method and switch automatic top-up on again, in your dashboard or with \
     `PUT /api/v1/billing/auto-top-up`.",
    "Top up",
);
const ADMIN_JOINED: Texts = (
    "Somebody became an admin of your account",
    "An admin can see invoices, create keys, spend credits and change the plan.",
    "If you do not know this person, remove them in the settings of your account under Members, and revoke the key under \
     API keys.",
    "See your dashboard",
);

const fn frame(kind: NoticeKind) -> Frame {
    let (subject, next, todo, label) = match kind {
        NoticeKind::Welcome => (
            "Welcome to Tallyhook",
            "Once the App is installed on GitHub and this account pays there, an issue with the right label or comment becomes a \
             pull request.",
            "Open this page to get your first API key. The link is for you alone; it works once, within seven days.",
            "Get your key",
        ),
        NoticeKind::PaymentFailed => (
            "A payment has failed",
            "If Stripe tries again and succeeds, you do not have to do anything.",
            "Please check that your card is still valid, and update it if necessary.",
            "Check your payment method",
        ),
        NoticeKind::ActionRequired => (
            "A payment needs your confirmation",
            "The invoice stays open until you confirm it.",
            "Please confirm the payment; your bank requires it.",
            "Confirm the payment",
        ),
        NoticeKind::TrialEnding => (
            "Your trial ends soon",
            "With a payment method, your plan continues and is charged; without one, it ends.",
            "Please decide whether you want to continue, and add a payment method if you do.",
            "Review your plan",
        ),
        NoticeKind::ServiceEnding => SERVICE_ENDING,
        NoticeKind::ServiceStopped => SERVICE_STOPPED,
        NoticeKind::QuotaNearlyUsed => QUOTA_NEARLY_USED,
        NoticeKind::QuotaUsed => QUOTA_USED,
        NoticeKind::LowBalance => (
            "Your balance is low",
            "Jobs that are running are paid for; a new job needs enough credits when it starts.",
            "Top up before the balance runs out.",
            "Top up",
        ),
        NoticeKind::TopUpNeeded => (
            "Credits are used up",
            "An issue got a comment instead of a pull request. Other issues will, too, until there are credits again.",
            "Top up, and ask again under the issue.",
            "Top up",
        ),
        NoticeKind::TopUpCharged => TOP_UP_CHARGED,
        NoticeKind::TopUpConfirm => TOP_UP_CONFIRM,
        NoticeKind::TopUpOff => TOP_UP_OFF,
        NoticeKind::SpendLimitNear => (
            "You are near your spend limit",
            "Work that could cost more than is left is refused until the next billing period begins.",
            "If you want more done before that, raise the limit.",
            "See what you have spent",
        ),
        NoticeKind::SpendLimitReached => (
            "Your spend limit is reached",
            "Work that could cost more than is left is refused until the next billing period begins. Running work continues.",
            "To continue now, raise the limit and ask again.",
            "See what you have spent",
        ),
        NoticeKind::JobFinished => (
            "A job has finished",
            "",
            "You can see the result in your dashboard.",
            "See your jobs",
        ),
        NoticeKind::AdminJoined => ADMIN_JOINED,
    };
    Frame {
        subject,
        next,
        todo,
        label,
    }
}

const FOOT: &str = "You receive this mail because your address belongs to a Tallyhook account. Replies to this address are not monitored.";
const WORDS_CHARS_MAX: usize = 2_000;

/// Words the mail for a notice. The notice's own link comes before the link to the dashboard.
pub fn mail(untold: &Untold, dashboard_url: Option<&str>) -> Worded {
    let own = untold.link.as_deref();
    worded(
        untold.kind,
        &untold.words,
        own.or(dashboard_url),
        own.and(dashboard_url),
    )
}

fn worded(kind: NoticeKind, words: &str, link: Option<&str>, dashboard: Option<&str>) -> Worded {
    let frame = frame(kind);
    let what = sentence(words);
    let said: Vec<&str> = [what.as_str(), frame.next, frame.todo]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect();
    let mut text = format!("Hello,\n\n{}\n", said.join("\n\n"));
    let mut html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{}</title>\
         <body style=\"font:16px/1.5 system-ui,sans-serif;max-width:36rem;margin:2rem auto;padding:0 1rem\"><p>Hello,</p>",
        frame.subject
    );
    for part in said {
        let _ = write!(html, "<p>{}</p>", escaped(part));
    }
    for (label, link) in [(frame.label, link), ("Your dashboard", dashboard)] {
        let Some(link) = link else { continue };
        let _ = write!(text, "\n{label}: {link}\n");
        let _ = write!(html, "<p><a href=\"{}\">{label}</a></p>", escaped(link));
    }
    let _ = write!(text, "\nTallyhook\n{FOOT}\n");
    let _ = write!(
        html,
        "<p style=\"color:#666;font-size:.85em\">Tallyhook<br>{FOOT}</p></body></html>"
    );
    Worded {
        subject: frame.subject,
        text,
        html,
    }
}

/// Capitalizes the first letter and truncates the text.
fn sentence(words: &str) -> String {
    let mut chars = words.trim().chars().take(WORDS_CHARS_MAX);
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars).collect()
    })
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests;
