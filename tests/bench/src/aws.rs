//! A stand-in for DynamoDB and SQS over TLS: conditional puts into one table and sends to one
//! queue, nothing else.
//!
//! It can be slow, fail, or lose an answer, and it records how long it was busy. The rest of a
//! webhook's latency is the receiver's own.

use crate::units;
use crate::wire::{self, Request};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{self, BufReader};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How one of the two services behaves.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Health {
    /// Works normally.
    #[default]
    Good,
    /// Every call gets a 500 and has no effect.
    Failing,
    /// The next call gets a 500 and has no effect.
    FailingOnce,
    /// The next call takes effect, and its connection breaks before the answer.
    LosingOnce,
}

/// The contents of the table and the queue, and the calls so far.
#[derive(Default)]
pub struct State {
    /// Items by key.
    pub items: BTreeMap<(String, String), Value>,
    /// The bodies of messages, unchanged.
    pub messages: Vec<String>,
    pub table: Health,
    pub queue: Health,
    /// The duration of a put and of a send.
    pub delays: (Duration, Duration),
    /// The number of calls so far.
    pub calls: u32,
    /// Write units of all puts so far.
    pub units: u32,
    busy: Duration,
    under_way: u32,
    since: Option<Instant>,
    connections: Vec<TcpStream>,
}

impl State {
    /// The total time during which at least one call was in progress.
    pub fn busy(&self) -> Duration {
        self.busy + self.since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Empties the table and the queue, and ends all faults. Connections stay open.
    pub fn reset(&mut self, put: Duration, send: Duration) {
        let connections = std::mem::take(&mut self.connections);
        *self = Self {
            delays: (put, send),
            connections,
            ..Self::default()
        };
    }

    /// Closes every connection, as AWS does with connections that a frozen function leaves idle.
    pub fn hang_up(&mut self) {
        for connection in self.connections.drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    fn begin(&mut self) {
        self.calls += 1;
        self.under_way += 1;
        self.since.get_or_insert_with(Instant::now);
    }

    fn end(&mut self) {
        self.under_way -= 1;
        if self.under_way == 0 {
            self.busy += self
                .since
                .take()
                .map_or(Duration::ZERO, |since| since.elapsed());
        }
    }
}

/// Both services on one port.
#[derive(Clone)]
pub struct Aws {
    /// The port on this machine.
    pub port: u16,
    state: Arc<Mutex<State>>,
}

impl Aws {
    /// Listens on a free port of this machine.
    pub fn start(tls: &Arc<ServerConfig>) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let aws = Self {
            port: listener.local_addr()?.port(),
            state: Arc::default(),
        };
        let (serving, tls) = (aws.clone(), Arc::clone(tls));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (aws, tls) = (serving.clone(), Arc::clone(&tls));
                thread::spawn(move || aws.serve(stream, tls));
            }
        });
        Ok(aws)
    }

    /// The current contents.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, stream: TcpStream, tls: Arc<ServerConfig>) -> io::Result<()> {
        stream.set_nodelay(true)?;
        self.state().connections.push(stream.try_clone()?);
        let tls = ServerConnection::new(tls).map_err(io::Error::other)?;
        let mut stream = BufReader::new(StreamOwned::new(tls, stream));
        while let Some(request) = wire::read(&mut stream)? {
            let Some((status, answer)) = self.answer(&request) else {
                break;
            };
            wire::write(
                stream.get_mut(),
                status,
                &[("content-type", request.header("content-type"))],
                answer.as_bytes(),
            )?;
        }
        Ok(())
    }

    /// The answer to one call, or `None` if the answer is lost.
    fn answer(&self, request: &Request) -> Option<(u16, String)> {
        self.state().begin();
        let target = request.header("x-amz-target");
        let table = target.starts_with("DynamoDB_");
        let delays = self.state().delays;
        let delay = if table { delays.0 } else { delays.1 };
        if !delay.is_zero() {
            thread::sleep(delay);
        }

        let mut guard = self.state();
        let state = &mut *guard;
        let service = if table {
            &mut state.table
        } else {
            &mut state.queue
        };
        let health = *service;
        if health != Health::Failing {
            *service = Health::Good;
        }
        let answer = match (health, target) {
            (Health::Failing | Health::FailingOnce, _) => {
                (500, json!({ "__type": "InternalServerError" }))
            }
            (_, "DynamoDB_20120810.PutItem") => put(state, &request.body),
            (_, "DynamoDB_20120810.GetItem") => get(&request.body),
            (_, "AmazonSQS.SendMessage") => send(state, &request.body),
            _ => (
                400,
                json!({ "__type": "AccessDeniedException", "message": format!("{target} is not a receiver's") }),
            ),
        };
        state.end();
        (health != Health::LosingOnce).then(|| (answer.0, answer.1.to_string()))
    }
}

/// Answers that no switch is off. A receiver may read nothing else.
fn get(body: &[u8]) -> (u16, Value) {
    let input: Value = serde_json::from_slice(body).unwrap_or_default();
    if input["Key"]["sk"]["S"] == "SWITCH" {
        return (200, json!({}));
    }
    (
        400,
        json!({ "__type": "AccessDeniedException", "message": "not within its LeadingKeys" }),
    )
}

fn put(state: &mut State, body: &[u8]) -> (u16, Value) {
    let mut input: Value = serde_json::from_slice(body).unwrap_or_default();
    let item = input["Item"].take();
    let new = input["ConditionExpression"] == "attribute_not_exists(pk)";
    if !new && input["ConditionExpression"] != "#sx = :failed AND #fin = :fin" {
        return (
            400,
            json!({ "__type": "ValidationException", "message": "a receiver's put is conditional" }),
        );
    }
    state.units += units::of(units::bytes(&item));
    let key = |name: &str| item[name]["S"].as_str().unwrap_or_default().to_owned();
    let key = (key("pk"), key("sk"));
    // A receiver replaces an event only if it has failed, and only that failure.
    let expected = &input["ExpressionAttributeValues"];
    let old = state.items.get(&key).cloned().unwrap_or_default();
    let holds = if new {
        old.is_null()
    } else {
        old["sx"] == expected[":failed"] && old["fin"] == expected[":fin"]
    };
    if !holds {
        return (
            400,
            json!({ "__type": "ConditionalCheckFailedException", "message": "it is there", "Item": old }),
        );
    }
    state.items.insert(key, item);
    (200, json!({}))
}

fn send(state: &mut State, body: &[u8]) -> (u16, Value) {
    let mut input: Value = serde_json::from_slice(body).unwrap_or_default();
    let Value::String(message) = input["MessageBody"].take() else {
        return (
            400,
            json!({ "__type": "InvalidMessageContents", "message": "a message has a body" }),
        );
    };
    state.messages.push(message);
    (
        200,
        json!({ "MessageId": "5fea7756-0ea4-451a-a703-a558b933e274" }),
    )
}
