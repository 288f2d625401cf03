//! The way to the provider. Nothing leaves but through here, and only what the guard has let through.

use std::sync::Arc;
use std::time::Duration;

use async_openai::config::{Config, OpenAIConfig};
use async_openai::error::{ApiError, ApiErrorResponse, OpenAIError};
use async_openai::middleware::retry::{OpenAIRetry, OpenAIRetryLayer};
use async_openai::middleware::{HttpRequestFactory, ReqwestService};
use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use secrecy::ExposeSecret;
use serde_json::Value;
use tower::util::BoxCloneSyncService;
use tower::{Layer, ServiceExt};

use super::error::GuardError;
use super::keys::Keys;
use super::wire::{Api, Unfit};
use crate::event::User;

/// Most bytes of an error that a provider tells.
const MAX_ERROR: usize = 16 << 10;

/// What carries requests that are decided about to the provider, and brings its answers.
pub(crate) type Carrier = BoxCloneSyncService<HttpRequestFactory, reqwest::Response, OpenAIError>;

/// Sends requests.
pub(crate) struct Transport {
    /// Makes requests. What sends them is the carrier.
    http: reqwest::Client,
    carrier: OpenAIRetry<Carrier>,
    base: String,
    query: Vec<(String, String)>,
    /// Addresses that are asked again and again, their queries included.
    known: Vec<(&'static str, reqwest::Url)>,
    /// Those of every request, but for its key.
    headers: Arc<HeaderMap>,
    keys: Keys,
}

impl Transport {
    /// With the addresses and headers of a configuration, the keys of a provider, and what carries requests where that is not a
    /// client of its own.
    pub(crate) fn new(
        config: &OpenAIConfig,
        keys: Keys,
        carrier: Option<Carrier>,
    ) -> Result<Self, GuardError> {
        // The configuration's own header would hold its key, and can't be made of a key that is none.
        let mut headers = config.clone().with_api_key("none").headers();
        headers.remove(AUTHORIZATION);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let query = config.query().into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let (base, query) = (config.api_base().to_owned(), query.collect::<Vec<_>>());
        let http = http_client()?;
        let known = Api::ALL.into_iter().filter_map(|api| {
            // One that is none is for the request to tell.
            let request = posted(&http, &base, api.path(), &query).build().ok()?;
            Some((api.path(), request.url().clone()))
        });
        let carrier = carrier.unwrap_or_else(|| Carrier::new(ReqwestService::new(http.clone())));
        let carrier = OpenAIRetryLayer::default().layer(carrier);
        let (known, headers) = (known.collect(), Arc::new(headers));
        Ok(Self { http, carrier, known, base, query, headers, keys })
    }

    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// Sends a body, tries again where that can help, and gives the response with its status checked.
    pub(crate) async fn send(
        &self,
        user: &User,
        path: &str,
        body: Bytes,
        streams: bool,
    ) -> Result<reqwest::Response, GuardError> {
        let key = self.keys.key(user).await?;
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", key.expose_secret()))
            .map_err(|_| super::keys::KeyError::Malformed)?;
        bearer.set_sensitive(true);
        let address = match self.known.iter().find(|(known, _)| *known == path) {
            Some((_, url)) => url.clone(),
            None => {
                let request = posted(&self.http, &self.base, path, &self.query).build();
                request.map_err(OpenAIError::from)?.url().clone()
            }
        };
        let headers = Arc::clone(&self.headers);
        let factory = HttpRequestFactory::new(move || {
            let mut request = reqwest::Request::new(Method::POST, address.clone());
            let mut headers = HeaderMap::clone(&headers);
            headers.insert(AUTHORIZATION, bearer.clone());
            if streams {
                headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
            }
            *request.headers_mut() = headers;
            *request.body_mut() = Some(body.clone().into());
            std::future::ready(Ok(request))
        });
        let response = self.carrier.clone().oneshot(factory).await.map_err(GuardError::from)?;
        if response.status().is_success() { Ok(response) } else { Err(failure(response).await) }
    }
}

/// A request to an address below a base.
fn posted(
    http: &reqwest::Client,
    base: &str,
    path: &str,
    query: &[(String, String)],
) -> reqwest::RequestBuilder {
    let request = http.post(format!("{base}{path}"));
    if query.is_empty() { request } else { request.query(query) }
}

/// The client's own connections. Ring is the provider of cryptography where the program has chosen none.
pub(crate) fn http_client() -> Result<reqwest::Client, GuardError> {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Another thread may have been faster; then there is one.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
    reqwest::Client::builder()
        // A redirect would take what was decided about somewhere else.
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(20))
        .build()
        .map_err(|error| GuardError::Setup(format!("no HTTP client can be made: {error}")))
}

/// A provider's error, as the client has it.
async fn failure(response: reqwest::Response) -> GuardError {
    let status_code = response.status();
    let limits = Limits { bytes: MAX_ERROR, time: Duration::from_secs(10), idle: Duration::from_secs(10) };
    let body = read(response, &limits).await.unwrap_or_default();
    let value: Value = serde_json::from_slice(&body).unwrap_or_default();
    told(status_code, value.get("error").unwrap_or(&Value::Null))
}

/// What a provider tells of a failure of its own.
pub(crate) fn told(status_code: http::StatusCode, error: &Value) -> GuardError {
    let text = |name: &str| error.get(name).and_then(Value::as_str).map(str::to_owned);
    let api_error = ApiError {
        message: text("message").unwrap_or_else(|| "the provider failed and did not say why".to_owned()),
        r#type: text("type"),
        param: text("param"),
        code: text("code"),
        misalignment: None,
    };
    GuardError::Upstream(Box::new(OpenAIError::ApiError(ApiErrorResponse { status_code, api_error })))
}

/// How much of an answer is waited for and held.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) bytes: usize,
    pub(crate) time: Duration,
    pub(crate) idle: Duration,
}

/// Reads a body to its end.
pub(crate) async fn read(mut response: reqwest::Response, limits: &Limits) -> Result<Bytes, GuardError> {
    let started = tokio::time::Instant::now();
    // What came in one piece stays where it is.
    let (mut first, mut rest) = (Bytes::new(), Vec::new());
    loop {
        let left = limits.time.saturating_sub(started.elapsed());
        let limit = if left < limits.idle { limits.time } else { limits.idle };
        let chunk = tokio::time::timeout(left.min(limits.idle), response.chunk()).await;
        let chunk = chunk.map_err(|_| GuardError::TimedOut { limit })?;
        match chunk.map_err(|_| GuardError::Truncated)? {
            None if rest.is_empty() => return Ok(first),
            None => return Ok(rest.into()),
            // What goes on without a pause is not waited for, and comes to its end all the same.
            Some(_) if left.is_zero() => return Err(GuardError::TimedOut { limit: limits.time }),
            Some(chunk) if first.len().max(rest.len()) + chunk.len() > limits.bytes => {
                return Err(GuardError::TooLarge { limit: limits.bytes });
            }
            Some(chunk) if first.is_empty() => first = chunk,
            Some(chunk) => {
                if rest.is_empty() {
                    rest.extend_from_slice(&first);
                }
                rest.extend_from_slice(&chunk);
            }
        }
    }
}

/// A body as a document: strict JSON, an object.
pub(crate) fn document(body: &[u8]) -> Result<Value, GuardError> {
    let not = |what: &str| GuardError::Answer(Unfit { at: String::new(), what: what.to_owned() });
    let text = std::str::from_utf8(body).map_err(|_| not("is not UTF-8"))?;
    match crate::decode::from_json(text) {
        Ok(value) if value.is_object() => Ok(value),
        Ok(_) => Err(not("is no object")),
        Err(_) => Err(not("is not strict JSON")),
    }
}

/// Shared.
pub(crate) type Way = Arc<Transport>;

/// The path of a guarded API that an address is of, below a base address.
pub(crate) fn api_of(base: &str, url: &str) -> Option<Api> {
    let path = url.strip_prefix(base)?;
    Api::ALL.into_iter().find(|api| path == api.path())
}
