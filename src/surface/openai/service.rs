//! What stands between the SDK and the network: every request that the SDK makes comes here.

use std::sync::Arc;
use std::task::{Context, Poll};

use async_openai::error::OpenAIError;
use async_openai::middleware::HttpRequestFactory;
use futures_util::future::BoxFuture;
use reqwest::header::CONTENT_TYPE;
use serde_json::Value;
use tracing::Instrument;

use super::conversation::{Answered, Conversation};
use super::error::GuardError;
use super::stream;
use super::telemetry;
use super::transport::{self, Limits, Way};
use super::wire::{self, Api};

/// The address that the SDK is given. No request goes there.
pub(crate) const NOWHERE: &str = "http://guarded.invalid/v1";

/// Decides about requests and responses of one conversation.
#[derive(Clone)]
pub(crate) struct Guarded {
    pub(crate) conversation: Arc<Conversation>,
    pub(crate) way: Way,
}

impl tower::Service<HttpRequestFactory> for Guarded {
    type Response = reqwest::Response;
    type Error = OpenAIError;
    type Future = BoxFuture<'static, Result<reqwest::Response, OpenAIError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, factory: HttpRequestFactory) -> Self::Future {
        let guarded = self.clone();
        Box::pin(async move {
            let request = factory.build().await?;
            guarded.exchange(&request).await.map_err(OpenAIError::from)
        })
    }
}

impl Guarded {
    async fn exchange(&self, request: &reqwest::Request) -> Result<reqwest::Response, GuardError> {
        // The path is compared as it stands: queries, other methods and other paths are other addresses.
        let api = transport::api_of(NOWHERE, request.url().as_str());
        let api = api.filter(|_| request.method() == reqwest::Method::POST).ok_or(GuardError::Endpoint)?;
        let body = request.body().and_then(reqwest::Body::as_bytes).ok_or(GuardError::Endpoint)?;
        // Written by the SDK from its own types.
        let mut document: Value = serde_json::from_slice(body)
            .map_err(|_| GuardError::Setup("the request is no JSON".to_owned()))?;
        self.send(api, &mut document).await
    }

    /// Decides about a document, sends it, and gives the response, whose body is decided about.
    pub(crate) async fn send(&self, api: Api, document: &mut Value) -> Result<reqwest::Response, GuardError> {
        let conversation = &self.conversation;
        let model = document.get("model").and_then(Value::as_str).map(str::to_owned);
        let span = telemetry::exchange(api, &conversation.agent, &conversation.session, model.as_deref());
        async {
            let streams = conversation.request(api, document).await?;
            let settings = &conversation.settings;
            let sent = self.way.send(&conversation.user, api.path(), document, streams);
            let response = tokio::time::timeout(settings.answer_time, sent).await;
            let response = match response {
                Ok(Ok(response)) => response,
                Ok(Err(error)) => return Err(conversation.failed(error).await),
                Err(_) => return Err(GuardError::TimedOut { limit: settings.answer_time }),
            };
            let estimate = wire::estimated_tokens(document);
            if streams {
                return stream::guarded(api, Arc::clone(conversation), response, estimate);
            }
            let answered = self.answered(api, response, estimate).await?;
            let document = conversation.for_application(api, answered)?;
            Ok(respond("application/json", reqwest::Body::from(wire::written(&document))))
        }
        .instrument(span)
        .await
    }

    /// Reads and decides about a whole answer.
    pub(crate) async fn answered(
        &self,
        api: Api,
        response: reqwest::Response,
        estimate: u64,
    ) -> Result<Answered, GuardError> {
        let settings = &self.conversation.settings;
        let limits =
            Limits { bytes: settings.answer_bytes, time: settings.answer_time, idle: settings.idle_time };
        let body = transport::read(response, &limits).await?;
        self.conversation.response(api, transport::document(&body)?, estimate).await
    }
}

/// A response for the SDK.
pub(crate) fn respond(kind: &'static str, body: reqwest::Body) -> reqwest::Response {
    let mut response = http::Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static(kind));
    response.into()
}

impl Guarded {
    /// One exchange of the tool loop: refused calls still stand in the answer, to be answered. Where somebody is to be told of
    /// the text as it comes, it is asked for bit by bit.
    pub(crate) async fn ask(
        &self,
        api: Api,
        mut document: Value,
        told: Option<&mut (dyn FnMut(&str) + Send)>,
    ) -> Result<Answered, GuardError> {
        let conversation = &self.conversation;
        let model = document.get("model").and_then(Value::as_str).map(str::to_owned);
        let span = telemetry::exchange(api, &conversation.agent, &conversation.session, model.as_deref());
        async {
            let streams = conversation.request(api, &mut document).await?;
            let limit = conversation.settings.answer_time;
            let sent = self.way.send(&conversation.user, api.path(), &document, streams);
            let response = match tokio::time::timeout(limit, sent).await {
                Ok(Ok(response)) => response,
                Ok(Err(error)) => return Err(conversation.failed(error).await),
                Err(_) => return Err(GuardError::TimedOut { limit }),
            };
            let estimate = wire::estimated_tokens(&document);
            match told {
                Some(told) if streams => {
                    stream::together(api, Arc::clone(conversation), response, estimate, told).await
                }
                _ => self.answered(api, response, estimate).await,
            }
        }
        .instrument(span)
        .await
    }
}
