//! The baseline of the ledger's bench: a bare transaction of a conditional put and a conditional
//! update with the same attributes as a posting, written directly through the SDK.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeValue, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use std::collections::HashMap;

/// Writes bare transactions.
#[derive(Clone)]
pub struct Yardstick {
    client: Client,
    main_table: String,
    ledger_table: String,
}

const ADD: &str =
    "ADD #free :free, #held :held, #entries :entries, #digest_sum :digest_sum, #grants :grants";
const WITHIN: &str = "attribute_not_exists(#free) OR #free BETWEEN :low AND :high";
/// As long as a digest is.
const DIGEST: &str = "39614081257132168796771975167";

impl Yardstick {
    pub fn new(aws: &aws_types::SdkConfig, main_table: &str, ledger_table: &str) -> Self {
        Self {
            client: Client::new(aws),
            main_table: main_table.to_owned(),
            ledger_table: ledger_table.to_owned(),
        }
    }

    /// Writes one transaction. Repeats it on a conflict.
    pub async fn write(
        &self,
        owner: &str,
        name: &str,
        at: i64,
    ) -> Result<(), Box<TransactWriteItemsError>> {
        loop {
            let call = self
                .client
                .transact_write_items()
                .transact_items(self.put(owner, name, at));
            let Err(error) = call.transact_items(self.update(owner)).send().await else {
                return Ok(());
            };
            let error = error.into_service_error();
            let conflicts = matches!(&error, TransactWriteItemsError::TransactionCanceledException(cancelled)
                if cancelled.cancellation_reasons().iter().any(|reason| reason.code() == Some("TransactionConflict")));
            if !conflicts {
                return Err(Box::new(error));
            }
        }
    }

    fn put(&self, owner: &str, name: &str, at: i64) -> TransactWriteItem {
        let item = [
            ("pk", text(&format!("YARD{owner}"))),
            ("sk", text(name)),
            ("owner", text(owner)),
            ("at", number(at)),
            ("day", text("2026-11-20#3")),
            ("kind", text("adjustment")),
            ("amount", number(1_000_000)),
            ("free", number(1_000_000)),
            ("held", number(0)),
            ("digest", AttributeValue::N(DIGEST.to_owned())),
            ("key", text("0a1b2c3d")),
            ("source", text("bench")),
        ];
        let put = Put::builder()
            .table_name(&self.ledger_table)
            .set_item(Some(named("", item)))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .expect("table and item are given");
        TransactWriteItem::builder().put(put).build()
    }

    fn update(&self, owner: &str) -> TransactWriteItem {
        let key = [
            ("pk", text(&format!("YARD{owner}"))),
            ("sk", text("BALANCE")),
        ];
        let names = ["free", "held", "entries", "digest_sum", "grants"];
        let values = [
            ("free", number(1_000_000)),
            ("held", number(0)),
            ("entries", number(1)),
            ("digest_sum", AttributeValue::N(DIGEST.to_owned())),
            ("grants", number(0)),
            ("low", number(i64::MIN)),
            ("high", number(i64::MAX)),
        ];
        let update = Update::builder()
            .table_name(&self.main_table)
            .set_key(Some(named("", key)))
            .update_expression(ADD)
            .condition_expression(WITHIN)
            .set_expression_attribute_names(Some(
                names
                    .map(|name| (format!("#{name}"), name.to_owned()))
                    .into(),
            ))
            .set_expression_attribute_values(Some(named(":", values)))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .expect("table, key and expression are given");
        TransactWriteItem::builder().update(update).build()
    }
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

fn number(value: i64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

fn named<const N: usize>(
    mark: &str,
    values: [(&'static str, AttributeValue); N],
) -> HashMap<String, AttributeValue> {
    values
        .map(|(name, value)| (format!("{mark}{name}"), value))
        .into()
}
