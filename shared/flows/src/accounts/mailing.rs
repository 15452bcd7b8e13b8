//! Which notices an account receives by mail, and below which balance it is warned.

use domain::ids::AccountId;
use domain::notices::NoticeKind;
use domain::refusal::{FlowError, Refusal};
use domain::switches::Switch;
use domain::units::Credits;
use store::Store;

/// Changes the kinds that are given, and the threshold if one is given. `Some(None)` returns to the
/// usual threshold.
pub async fn change(
    store: &Store,
    (account, by): (&AccountId, &str),
    switches: impl IntoIterator<Item = (NoticeKind, Switch)>,
    threshold: Option<Option<&str>>,
) -> Result<(), FlowError> {
    let (always, switches): (Vec<_>, Vec<_>) = switches
        .into_iter()
        .partition(|(kind, _)| kind.is_always_sent());
    if let Some((kind, _)) = always.iter().find(|(_, switch)| !switch.is_on()) {
        let detail =
            format!("`{kind}` is always sent, so that nobody joins unseen; leave it out or on.");
        return Err(Refusal::invalid("always_sent", detail).into());
    }
    if let Some(threshold) = threshold {
        let threshold = threshold
            .map(Credits::parse)
            .transpose()
            .map_err(|error| Refusal::invalid("bad_amount", error.to_string()))?;
        store.low_balance_set(account, threshold).await?;
    }
    for (kind, switch) in switches {
        store.account_notices_set(account, kind, switch).await?;
    }
    tracing::info!(account.id = %account, by, audit = true, "changed notice preferences");
    Ok(())
}
