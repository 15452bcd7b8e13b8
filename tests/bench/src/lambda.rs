//! The part of the Lambda Runtime API that one function needs: returns one event at a time and
//! accepts its answer.

use crate::wire;
use serde_json::Value;
use std::error::Error;
use std::io::{self, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Longer than any of our functions may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// The answer of a function.
pub struct Answer {
    /// The status for the webhook's sender.
    pub status: u64,
    /// The time from returning the event to receiving its answer.
    pub latency: Duration,
}

/// The Runtime API for one process.
pub struct Lambda {
    /// The address at which the process reaches it.
    pub address: SocketAddr,
    events: Sender<String>,
    answers: Receiver<(Duration, Vec<u8>)>,
}

/// The side that serves the connections.
struct Desk {
    events: Mutex<Receiver<String>>,
    handed_out: Mutex<Instant>,
}

impl Lambda {
    /// Listens on a free port of this machine.
    pub fn start() -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let (events, waiting) = channel();
        let (answered, answers) = channel();
        let desk = Arc::new(Desk {
            events: Mutex::new(waiting),
            handed_out: Mutex::new(Instant::now()),
        });
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (desk, answered) = (Arc::clone(&desk), answered.clone());
                thread::spawn(move || desk.serve(&stream, &answered));
            }
        });
        Ok(Self {
            address,
            events,
            answers,
        })
    }

    /// Invokes the function with one event and waits for its answer.
    pub fn invoke(&self, event: String) -> Result<Answer, Box<dyn Error>> {
        self.events.send(event)?;
        let (latency, answer) = self
            .answers
            .recv_timeout(PATIENCE)
            .map_err(|_| "the function does not answer")?;
        let answer: Value = serde_json::from_slice(&answer)?;
        let status = answer["statusCode"]
            .as_u64()
            .ok_or_else(|| format!("the function failed: {answer}"))?;
        Ok(Answer { status, latency })
    }
}

impl Desk {
    fn serve(&self, stream: &TcpStream, answered: &Sender<(Duration, Vec<u8>)>) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let (mut reader, mut writer) = (BufReader::new(stream), stream);
        while let Some(request) = wire::read(&mut reader)? {
            if request.line.contains("/invocation/next") {
                // The loop ends when the bench drops its side of the channel.
                let Ok(event) = self
                    .events
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .recv()
                else {
                    break;
                };
                *self
                    .handed_out
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner) = Instant::now();
                wire::write(&mut writer, 200, &HEADERS, event.as_bytes())?;
            } else {
                let latency = self
                    .handed_out
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .elapsed();
                let _ = answered.send((latency, request.body));
                wire::write(&mut writer, 202, &[], b"")?;
            }
        }
        Ok(())
    }
}

const HEADERS: [(&str, &str); 5] = [
    ("content-type", "application/json"),
    (
        "lambda-runtime-aws-request-id",
        "8476a536-e9f4-11e8-9739-2dfe598c3fcd",
    ),
    ("lambda-runtime-deadline-ms", "4102444800000"),
    (
        "lambda-runtime-invoked-function-arn",
        "arn:aws:lambda:eu-central-1:123456789012:function:receiver",
    ),
    (
        "lambda-runtime-trace-id",
        "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0",
    ),
];
