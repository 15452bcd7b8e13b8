//! DynamoDB and SQS in this process, plugged in as the HTTP client of the real SDKs.
//!
//! dynoxide stores the tables and rustack the queues. The product reaches them through the AWS SDK,
//! as on AWS. dynoxide never refuses a transaction because another one touched the same item, so
//! [`Faults`] injects these conflicts from its seed.

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use dynoxide::{Database, DynoxideError};
use http_body_util::BodyExt;
use iam::Roles;
use rustack_sqs_core::config::SqsConfig;
use rustack_sqs_core::handler::RustackSqsHandler;
use rustack_sqs_core::provider::RustackSqs;
use rustack_sqs_http::dispatch::SqsHandler;
use rustack_sqs_model::operations::SqsOperation;
use serde_json::{Value, json};
use stand_in_shared::faults::Faults;
use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub mod baseline;
pub mod event_source;
pub mod iam;

/// The access key of the account's owner, with which the local stack and tests ask what no function
/// asks.
const OWNER: &str = "AKIDEMBEDDED";

/// The embedded AWS. Clones share it.
#[derive(Clone)]
pub struct EmbeddedAws {
    database: Database,
    queues: Arc<RustackSqsHandler>,
    faults: Faults,
    roles: Arc<Roles>,
    callers: Arc<Mutex<BTreeSet<String>>>,
    entry_refused: Arc<AtomicBool>,
    /// What functions asked for and their roles do not allow.
    refusals: Arc<Mutex<Vec<String>>>,
}

impl std::fmt::Debug for EmbeddedAws {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EmbeddedAws")
    }
}

/// The data file cannot be opened.
#[derive(Debug)]
pub struct BadData(String);

impl std::fmt::Display for BadData {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadData {}

impl EmbeddedAws {
    /// Opens the tables in this file or in memory. The queues are always in memory.
    pub fn open(file: Option<&str>, faults: Faults) -> Result<Self, BadData> {
        let database = file
            .map_or_else(Database::memory, Database::new)
            .map_err(|error| {
                BadData(format!(
                    "cannot open {}: {error}",
                    file.unwrap_or("the store in memory")
                ))
            })?;
        let queues = RustackSqsHandler::new(Arc::new(RustackSqs::new(SqsConfig::default())));
        Ok(Self {
            database,
            queues: Arc::new(queues),
            faults,
            roles: Arc::default(),
            callers: Arc::default(),
            entry_refused: Arc::default(),
            refusals: Arc::default(),
        })
    }

    /// Holds every function to its role. A function is recognized by its name as the access key.
    /// The owner of the account may do everything, and a caller without a role nothing.
    #[must_use]
    pub fn with_roles(mut self, roles: Roles) -> Self {
        self.roles = Arc::new(roles);
        self
    }

    /// The functions with a role that have asked for anything.
    pub fn callers(&self) -> BTreeSet<String> {
        locked(&self.callers).clone()
    }

    /// Returns what functions asked for and their roles do not allow, and forgets it.
    pub fn refusals_take(&self) -> Vec<String> {
        std::mem::take(&mut *locked(&self.refusals))
    }

    /// Every row of a table, in DynamoDB's JSON.
    ///
    /// This method and the next two bypass the SDK, the faults and all conditions, so that tests
    /// can do what no function may.
    pub fn rows(&self, table: &str) -> Vec<Value> {
        let mut rows = Vec::new();
        let mut asked = json!({ "TableName": table });
        loop {
            let page = self.bypass("Scan", &asked);
            rows.extend(page["Items"].as_array().into_iter().flatten().cloned());
            if page["LastEvaluatedKey"].is_null() {
                return rows;
            }
            asked["ExclusiveStartKey"] = page["LastEvaluatedKey"].clone();
        }
    }

    /// Writes a row unconditionally.
    pub fn row_put(&self, table: &str, row: &Value) {
        self.bypass("PutItem", &json!({ "TableName": table, "Item": row }));
    }

    /// Deletes a row.
    pub fn row_remove(&self, table: &str, row: &Value) {
        let key = json!({ "pk": row["pk"], "sk": row["sk"] });
        self.bypass("DeleteItem", &json!({ "TableName": table, "Key": key }));
    }

    fn bypass(&self, operation: &str, request: &Value) -> Value {
        let answer = dispatch(&self.database, operation, request.to_string().as_bytes());
        let answer =
            answer.unwrap_or_else(|error| panic!("{operation} failed: {}", error.to_json()));
        serde_json::from_str(&answer).unwrap_or_default()
    }

    async fn answer(
        &self,
        target: &str,
        caller: &str,
        body: Bytes,
    ) -> Result<HttpResponse, ConnectorError> {
        if !self.roles.is_empty() && caller != OWNER {
            locked(&self.callers).insert(caller.to_owned());
            let request = serde_json::from_slice(&body).unwrap_or_default();
            if let Some(why) = iam::refusal(&self.roles, caller, target, &request) {
                return self.refuse(why);
            }
        }
        let operation = target.rsplit('.').next().unwrap_or_default();
        if target.starts_with("AmazonSQS") {
            self.queue(operation, body).await
        } else {
            self.table(operation, &body)
        }
    }

    fn refuse(&self, why: String) -> Result<HttpResponse, ConnectorError> {
        let answer = json!({
            "__type": "com.amazon.coral.service#AccessDeniedException",
            "Message": why,
        });
        locked(&self.refusals).push(why);
        response(400, answer.to_string(), "application/x-amz-json-1.0")
    }

    fn table(&self, operation: &str, body: &[u8]) -> Result<HttpResponse, ConnectorError> {
        if operation == "TransactWriteItems" && self.faults.conflicts_now() {
            return response(400, conflict(body), "application/x-amz-json-1.0");
        }
        let (status, json) = match dispatch(&self.database, operation, body) {
            Ok(json) => (200, json),
            Err(error) => (error.status_code(), error.to_json()),
        };
        response(status, json, "application/x-amz-json-1.0")
    }

    async fn queue(&self, operation: &str, body: Bytes) -> Result<HttpResponse, ConnectorError> {
        let operation = SqsOperation::from_name(operation).ok_or_else(|| {
            ConnectorError::user(format!("unknown SQS operation {operation}").into())
        })?;
        if operation == SqsOperation::StartMessageMoveTask {
            return self.redrive(&body).await;
        }
        if operation == SqsOperation::SendMessageBatch && self.entry_refused.swap(false, Relaxed) {
            return self.batch_without_first(body).await;
        }
        let (status, body) = self.ask_queues(operation, without_groups(body)).await?;
        response(
            status,
            String::from_utf8_lossy(&body).into_owned(),
            "application/x-amz-json-1.0",
        )
    }

    async fn ask_queues(
        &self,
        operation: SqsOperation,
        body: Bytes,
    ) -> Result<(u16, Bytes), ConnectorError> {
        let answer = match self.queues.handle_operation(operation, body).await {
            Ok(answer) => answer,
            Err(error) => rustack_sqs_http::response::error_to_response(&error, "local"),
        };
        let status = answer.status().as_u16();
        let body = answer
            .into_body()
            .collect()
            .await
            .map_err(|error| ConnectorError::io(error.to_string().into()))?;
        Ok((status, body.to_bytes()))
    }

    /// Refuses the first entry of the next batch that is sent, as SQS can while it takes the others
    /// (docs.aws.amazon.com, `SendMessageBatch`: "Because the batch request can result in a combination
    /// of successful and unsuccessful actions, you should check for batch errors even when the call
    /// returns an HTTP status code of 200").
    pub fn refuse_entry(&self) {
        self.entry_refused.store(true, Relaxed);
    }

    async fn batch_without_first(&self, body: Bytes) -> Result<HttpResponse, ConnectorError> {
        let mut request: Value = serde_json::from_slice(&body).unwrap_or_default();
        let mut entries = request["Entries"].as_array().cloned().unwrap_or_default();
        let refused = entries.remove(0);
        let mut answer = json!({ "Successful": [] });
        if !entries.is_empty() {
            request["Entries"] = json!(entries);
            let body = without_groups(Bytes::from(request.to_string()));
            let (_, sent) = self
                .ask_queues(SqsOperation::SendMessageBatch, body)
                .await?;
            answer = serde_json::from_slice(&sent).unwrap_or_default();
        }
        let failed = json!({ "Id": refused["Id"], "Code": "InternalError", "SenderFault": false });
        answer["Failed"] = json!([failed]);
        response(200, answer.to_string(), "application/x-amz-json-1.0")
    }

    /// Moves dead letters back to their queue, which rustack cannot. A dead-letter queue is named
    /// `<queue>-dlq`.
    async fn redrive(&self, body: &[u8]) -> Result<HttpResponse, ConnectorError> {
        let request: Value = serde_json::from_slice(body).unwrap_or_default();
        let dead = request["SourceArn"]
            .as_str()
            .and_then(|arn| arn.rsplit(':').next())
            .unwrap_or_default();
        let (from, to) = (
            self.queue_url(dead).await?,
            self.queue_url(dead.trim_end_matches("-dlq")).await?,
        );
        loop {
            let ask = json!({ "QueueUrl": from, "MaxNumberOfMessages": 10 });
            let received = self.queue_json(SqsOperation::ReceiveMessage, &ask).await?;
            let letters = received["Messages"].as_array().cloned().unwrap_or_default();
            if letters.is_empty() {
                let handle = json!({ "TaskHandle": "local" });
                return response(200, handle.to_string(), "application/x-amz-json-1.0");
            }
            for letter in letters {
                let again = json!({ "QueueUrl": to, "MessageBody": letter["Body"] });
                self.queue_json(SqsOperation::SendMessage, &again).await?;
                let done = json!({ "QueueUrl": from, "ReceiptHandle": letter["ReceiptHandle"] });
                self.queue_json(SqsOperation::DeleteMessage, &done).await?;
            }
        }
    }

    async fn queue_url(&self, name: &str) -> Result<Value, ConnectorError> {
        Ok(self
            .queue_json(SqsOperation::GetQueueUrl, &json!({ "QueueName": name }))
            .await?["QueueUrl"]
            .clone())
    }

    async fn queue_json(
        &self,
        operation: SqsOperation,
        request: &Value,
    ) -> Result<Value, ConnectorError> {
        let (_, body) = self
            .ask_queues(operation, Bytes::from(request.to_string()))
            .await?;
        Ok(serde_json::from_slice(&body).unwrap_or_default())
    }
}

fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// On AWS a message group on a standard queue means fair queuing. rustack accepts groups on FIFO
/// queues only.
fn without_groups(body: Bytes) -> Bytes {
    let Ok(mut request) = serde_json::from_slice::<Value>(&body) else {
        return body;
    };
    let forget = |message: &mut Value| {
        if let Some(fields) = message.as_object_mut() {
            fields.remove("MessageGroupId");
        }
    };
    forget(&mut request);
    request["Entries"]
        .as_array_mut()
        .into_iter()
        .flatten()
        .for_each(forget);
    if request["Entries"].is_null() {
        request
            .as_object_mut()
            .map(|fields| fields.remove("Entries"));
    }
    Bytes::from(request.to_string())
}

fn response(
    status: u16,
    json: String,
    content_type: &'static str,
) -> Result<HttpResponse, ConnectorError> {
    let status = status
        .try_into()
        .map_err(|_| ConnectorError::other("an odd status".into(), None))?;
    let mut response = HttpResponse::new(status, SdkBody::from(json));
    response.headers_mut().insert("content-type", content_type);
    response.headers_mut().insert("x-amzn-requestid", "local");
    Ok(response)
}

/// The error of a transaction whose first item is in another transaction.
fn conflict(body: &[u8]) -> String {
    let items = serde_json::from_slice::<Value>(body).ok();
    let count = items
        .and_then(|body| body["TransactItems"].as_array().map(Vec::len))
        .unwrap_or(1);
    let reasons: Vec<_> = (0..count)
        .map(|place| json!({ "Code": if place == 0 { "TransactionConflict" } else { "None" } }))
        .collect();
    json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": "Transaction cancelled, please refer cancellation reasons for specific reasons [TransactionConflict]",
        "CancellationReasons": reasons,
    })
    .to_string()
}

macro_rules! operations {
    ($database:expr, $operation:expr, $body:expr; $($name:literal => $method:ident),* $(,)?) => {
        match $operation {
            $($name => {
                let request = serde_json::from_slice($body).map_err(|error| invalid(&error))?;
                let answer = $database.$method(request)?;
                serde_json::to_string(&answer).map_err(|error| DynoxideError::InternalServerError(error.to_string()))
            })*
            other => Err(DynoxideError::ValidationException(format!("unsupported operation {other}"))),
        }
    };
}

fn dispatch(database: &Database, operation: &str, body: &[u8]) -> Result<String, DynoxideError> {
    operations!(database, operation, body;
        "CreateTable" => create_table, "DescribeTable" => describe_table, "PutItem" => put_item, "GetItem" => get_item,
        "UpdateItem" => update_item, "DeleteItem" => delete_item, "Query" => query, "Scan" => scan,
        "BatchGetItem" => batch_get_item, "TransactWriteItems" => transact_write_items,
    )
}

/// dynoxide reports validation errors through serde, with a prefix.
fn invalid(error: &serde_json::Error) -> DynoxideError {
    let text = error.to_string();
    match text.strip_prefix("VALIDATION:") {
        Some(message) => DynoxideError::ValidationException(message.to_owned()),
        None => DynoxideError::SerializationException(text),
    }
}

impl HttpConnector for EmbeddedAws {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let aws = self.clone();
        HttpConnectorFuture::new(async move {
            let target = request
                .headers()
                .get("x-amz-target")
                .unwrap_or_default()
                .to_owned();
            let caller = iam::caller(request.headers().get("authorization").unwrap_or_default());
            let caller = caller.to_owned();
            let body = request.body().bytes().map(Bytes::copy_from_slice);
            let body = body.ok_or_else(|| ConnectorError::user("a streaming body".into()))?;
            let name = target
                .replace("DynamoDB_20120810.", "dynamodb ")
                .replace("AmazonSQS.", "sqs ");
            let carried = aws
                .faults
                .apply(name, aws.answer(&target, &caller, body))
                .await;
            carried.map_err(|lost| ConnectorError::io(lost.into()))?
        })
    }
}

impl HttpClient for EmbeddedAws {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}
