//! The server: HTTP/1.1, one request per connection.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::Step;
use super::answer;
use crate::surface::openai::wire::Api;

/// Largest request.
const MAX_REQUEST: usize = 16 << 20;
/// Largest head of one.
const MAX_HEAD: usize = 64 << 10;
/// How long a request may take to come in.
const TIME: Duration = Duration::from_secs(30);

/// A server under way. Going out of use, it stops.
#[derive(Debug)]
pub struct ScriptedServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    steps: Mutex<VecDeque<Reply>>,
    requests: Mutex<Vec<Value>>,
    number: AtomicU64,
}

/// What a request is answered with.
#[derive(Debug)]
enum Reply {
    Step(Step),
    /// These bytes after a head that promises `kind`, and whether the connection then stays open.
    Raw {
        status: u16,
        kind: &'static str,
        body: Vec<u8>,
        stays: bool,
    },
}

impl ScriptedServer {
    /// Starts a server that says these steps, one for each request.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(steps: impl IntoIterator<Item = Step>) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let server = Self {
            address,
            shared: Arc::clone(&shared),
            task: tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let shared = Arc::clone(&shared);
                    // A client that goes away is no failure of the server.
                    tokio::spawn(async move { serve(stream, &shared).await.ok() });
                }
            }),
        };
        steps.into_iter().for_each(|step| server.then(step));
        Ok(server)
    }

    /// The base address to give a client.
    #[must_use]
    pub fn base(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// One more step.
    pub fn then(&self, step: Step) {
        self.push(Reply::Step(step));
    }

    /// One more answer, of these bytes, whatever they are: for tests of clients. `stays` leaves the connection open behind
    /// them.
    pub fn then_raw(&self, kind: &'static str, body: impl Into<Vec<u8>>, stays: bool) {
        self.push(Reply::Raw { status: 200, kind, body: body.into(), stays });
    }

    /// One more answer of this status, of these bytes: for tests of clients.
    pub fn then_failure(&self, status: u16, body: impl Into<Vec<u8>>) {
        self.push(Reply::Raw { status, kind: "application/json", body: body.into(), stays: false });
    }

    fn push(&self, reply: Reply) {
        self.shared.steps.lock().unwrap_or_else(PoisonError::into_inner).push_back(reply);
    }

    /// The requests that came in, as they were.
    #[must_use]
    pub fn requests(&self) -> Vec<Value> {
        self.shared.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ScriptedServer {
    /// The same, and forgets them.
    #[must_use]
    pub fn take_requests(&self) -> Vec<Value> {
        std::mem::take(&mut *self.shared.requests.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for ScriptedServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
    let Ok(request) = tokio::time::timeout(TIME, receive(&mut stream)).await else { return Ok(()) };
    let (path, body) = request?;
    let api = Api::ALL.into_iter().find(|api| path == format!("/v1{}", api.path()));
    let document: Value = serde_json::from_slice(&body).unwrap_or_default();
    let Some(api) = api else {
        if path == "/v1/moderations" {
            return send(&mut stream, "200 OK", "application/json", &moderation(&document)).await;
        }
        return fail(&mut stream, "404 Not Found", "there is no such address here").await;
    };
    shared.requests.lock().unwrap_or_else(PoisonError::into_inner).push(document.clone());
    let reply = shared.steps.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let step = match reply {
        None => return fail(&mut stream, "400 Bad Request", "the script has ended").await,
        Some(Reply::Raw { status, kind, body, stays }) => {
            stream.write_all(head(&format!("{status} Scripted"), kind, None).as_bytes()).await?;
            stream.write_all(&body).await?;
            if stays {
                // Until the client goes.
                let _ = stream.read(&mut [0; 1]).await;
            }
            return stream.shutdown().await;
        }
        Some(Reply::Step(step)) => step,
    };
    let number = shared.number.fetch_add(1, Ordering::Relaxed);
    if document.get("stream").and_then(Value::as_bool) == Some(true) {
        let text = answer::streamed(api, &step, number, &document);
        stream.write_all(head("200 OK", "text/event-stream", None).as_bytes()).await?;
        stream.write_all(text.as_bytes()).await?;
        return stream.shutdown().await;
    }
    send(&mut stream, "200 OK", "application/json", &answer::whole(api, &step, number, &document)).await
}

/// Scores by a word: a text that holds `hateful` is.
fn moderation(document: &Value) -> Value {
    let text = document.get("input").map(ToString::to_string).unwrap_or_default();
    let score = if text.contains("hateful") { 0.97 } else { 0.01 };
    json!({
        "id": "modr_1", "model": "omni-moderation-latest",
        "results": [{
            "flagged": score > 0.5, "categories": { "hate": score > 0.5 }, "category_scores": { "hate": score },
            "category_applied_input_types": { "hate": ["text"] },
        }],
    })
}

/// Path and body of a request.
async fn receive(stream: &mut TcpStream) -> io::Result<(String, Vec<u8>)> {
    let bad = || io::Error::from(io::ErrorKind::InvalidData);
    let mut received = Vec::new();
    let mut buffer = vec![0; 16 << 10];
    let end = loop {
        if let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        let read = stream.read(&mut buffer).await?;
        if read == 0 || received.len() > MAX_HEAD {
            return Err(bad());
        }
        received.extend_from_slice(buffer.get(..read).unwrap_or_default());
    };
    let mut body = received.split_off(end + 4);
    let head = String::from_utf8(received).map_err(|_| bad())?;
    let path = head.split(' ').nth(1).ok_or_else(bad)?.to_owned();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let length = length.filter(|length| *length <= MAX_REQUEST).ok_or_else(bad)?;
    while body.len() < length {
        let read = stream.read(&mut buffer).await?;
        if read == 0 {
            return Err(bad());
        }
        body.extend_from_slice(buffer.get(..read).unwrap_or_default());
    }
    Ok((path, body))
}

fn head(status: &str, kind: &str, length: Option<usize>) -> String {
    let length = length.map(|length| format!("content-length: {length}\r\n")).unwrap_or_default();
    format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\n{length}connection: close\r\n\r\n")
}

async fn send(stream: &mut TcpStream, status: &str, kind: &str, document: &Value) -> io::Result<()> {
    let body = document.to_string();
    stream.write_all(head(status, kind, Some(body.len())).as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await
}

async fn fail(stream: &mut TcpStream, status: &str, message: &str) -> io::Result<()> {
    let error = json!({ "error": { "message": message, "type": "invalid_request_error", "param": null, "code": null } });
    send(stream, status, "application/json", &error).await
}
