//! What stands between the SDK and the network: every request that the SDK makes comes here.

use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};

use async_openai::error::OpenAIError;
use async_openai::middleware::HttpRequestFactory;
use futures_util::future::BoxFuture;
use reqwest::ResponseBuilderExt;
use reqwest::header::CONTENT_TYPE;
use tracing::Instrument;

use super::conversation::{Answered, Conversation};
use super::draft::Draft;
use super::error::GuardError;
use super::stream;
use super::telemetry;
use super::transport::{self, Limits, Way};
use super::wire::{self, Api};

/// The address that the SDK is given. No request goes there.
pub(crate) const NOWHERE: &str = "http://guarded.invalid/v1";

/// The address that a response for the SDK is from. Without one, a text of the HTTP client's would be read as one for each.
static ANSWERED_FROM: LazyLock<Option<reqwest::Url>> = LazyLock::new(|| reqwest::Url::parse(NOWHERE).ok());

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
        self.send(api, Draft::of_request(body)?).await
    }

    /// Decides about a request, sends it, and gives the response, whose body is decided about.
    async fn send(&self, api: Api, mut draft: Draft) -> Result<reqwest::Response, GuardError> {
        let conversation = &self.conversation;
        let span = telemetry::exchange(api, &conversation.agent, &conversation.session, draft.document());
        async {
            let streams = conversation.request(api, &mut draft).await?;
            let settings = &conversation.settings;
            let sent = self.way.send(&conversation.user, api.path(), draft.body(), streams);
            let response = tokio::time::timeout(settings.answer_time, sent).await;
            let response = match response {
                Ok(Ok(response)) => response,
                Ok(Err(error)) => return Err(conversation.failed(error).await),
                Err(_) => return Err(GuardError::TimedOut { limit: settings.answer_time }),
            };
            if streams {
                let estimate = wire::estimated_tokens(draft.document());
                return stream::guarded(api, Arc::clone(conversation), response, estimate);
            }
            let answered = self.answered(api, response, &draft).await?;
            let document = conversation.for_application(api, answered)?;
            Ok(respond("application/json", reqwest::Body::from(document.body())))
        }
        .instrument(span)
        .await
    }

    /// Reads and decides about a whole answer.
    pub(crate) async fn answered(
        &self,
        api: Api,
        response: reqwest::Response,
        draft: &Draft,
    ) -> Result<Answered, GuardError> {
        let settings = &self.conversation.settings;
        let limits =
            Limits { bytes: settings.answer_bytes, time: settings.answer_time, idle: settings.idle_time };
        let body = transport::read(response, &limits).await?;
        let estimate = || wire::estimated_tokens(draft.document());
        self.conversation.response(api, Draft::of_answer(body)?, estimate).await
    }
}

/// A response for the SDK.
pub(crate) fn respond(kind: &'static str, body: reqwest::Body) -> reqwest::Response {
    let mut builder = http::Response::builder();
    if let Some(url) = &*ANSWERED_FROM {
        builder = builder.url(url.clone());
    }
    let (mut parts, ()) = builder.body(()).unwrap_or_default().into_parts();
    parts.headers.insert(CONTENT_TYPE, http::HeaderValue::from_static(kind));
    http::Response::from_parts(parts, body).into()
}

impl Guarded {
    /// One exchange of the tool loop: refused calls still stand in the answer, to be answered. Where somebody is to be told of
    /// the text as it comes, it is asked for bit by bit.
    pub(crate) async fn ask(
        &self,
        api: Api,
        mut draft: Draft,
        told: Option<&mut (dyn FnMut(&str) + Send)>,
    ) -> Result<Answered, GuardError> {
        let conversation = &self.conversation;
        let span = telemetry::exchange(api, &conversation.agent, &conversation.session, draft.document());
        async {
            let streams = conversation.request(api, &mut draft).await?;
            let limit = conversation.settings.answer_time;
            let sent = self.way.send(&conversation.user, api.path(), draft.body(), streams);
            let response = match tokio::time::timeout(limit, sent).await {
                Ok(Ok(response)) => response,
                Ok(Err(error)) => return Err(conversation.failed(error).await),
                Err(_) => return Err(GuardError::TimedOut { limit }),
            };
            match told {
                Some(told) if streams => {
                    let estimate = wire::estimated_tokens(draft.document());
                    stream::together(api, Arc::clone(conversation), response, estimate, told).await
                }
                _ => self.answered(api, response, &draft).await,
            }
        }
        .instrument(span)
        .await
    }
}
