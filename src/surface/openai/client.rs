//! The client that an application holds in the place of the SDK's.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_openai::config::{Config, OpenAIConfig};
use async_openai::error::OpenAIError;
use async_openai::middleware::HttpRequestFactory;
use async_openai::{Chat, Client, Responses};
use tower::ServiceExt;

use super::approve::Approver;
use super::conversation::{Conversation, Opened, Settings};
use super::detect::{Detector, Watch};
use super::error::GuardError;
use super::keys::{KeyProvider, Keys, OneKey};
use super::service::{Guarded, NOWHERE};
use super::transport::{Carrier, Transport, Way};
use super::wire::Openings;
use crate::bundle::{Bundle, RefusedCalls};
use crate::compile::{CompileOptions, compile};
use crate::engine::Engine;
use crate::event::{Event, User};
use crate::guard::Guard;
use crate::verdict::Verdict;

/// What a guard can be made of: one that is there, an engine, or a bundle.
pub trait IntoGuard {
    /// The guard.
    ///
    /// # Errors
    /// Where a bundle does not compile.
    fn into_guard(self) -> Result<Arc<Guard>, GuardError>;
}

impl IntoGuard for Arc<Guard> {
    fn into_guard(self) -> Result<Arc<Guard>, GuardError> {
        Ok(self)
    }
}

impl IntoGuard for Guard {
    fn into_guard(self) -> Result<Arc<Guard>, GuardError> {
        Ok(Arc::new(self))
    }
}

impl IntoGuard for Engine {
    fn into_guard(self) -> Result<Arc<Guard>, GuardError> {
        Ok(Arc::new(Guard::new(self)))
    }
}

impl IntoGuard for &Bundle {
    fn into_guard(self) -> Result<Arc<Guard>, GuardError> {
        match compile(self, &CompileOptions::default()) {
            Ok(compiled) => compiled.engine.into_guard(),
            Err(error) => Err(GuardError::Setup(format!("the bundle does not load: {error}"))),
        }
    }
}

/// The guarded OpenAI client: every call goes through the guard, and there is no other.
///
/// Cheap to clone. It calls nothing by itself: [`GuardedClient::as_user`] says for whom.
///
/// ```no_run
/// use async_openai::config::OpenAIConfig;
/// use ringfence::surface::openai::GuardedClient;
/// use ringfence::{Engine, User};
///
/// # async fn doc() -> Result<(), Box<dyn std::error::Error>> {
/// let client = GuardedClient::new(Engine::embedded()?, &OpenAIConfig::new())?;
/// let agent = client.as_user(User::new("alice", ["support"])).agent("helpdesk");
/// let response = agent.chat().create(serde_json::from_str(r#"{"model": "gpt-5", "messages": []}"#)?).await?;
/// # let _ = response;
/// # Ok(())
/// # }
/// ```
///
/// The client inside can't be reached:
///
/// ```compile_fail,E0616
/// # fn doc(agent: ringfence::surface::openai::GuardedAgent) {
/// let inner = agent.sdk;
/// # }
/// ```
///
/// and there are no calls that bypass the guard:
///
/// ```compile_fail,E0599
/// # fn doc(client: ringfence::surface::openai::GuardedClient) {
/// client.chat();
/// # }
/// ```
///
/// ```compile_fail,E0599
/// # fn doc(agent: ringfence::surface::openai::GuardedAgent) {
/// agent.files();
/// # }
/// ```
///
/// What carries requests below the guard is given once, and not given back:
///
/// ```compile_fail,E0616
/// # fn doc(client: ringfence::surface::openai::GuardedClient) {
/// let carrier = client.way;
/// # }
/// ```
///
/// ```compile_fail,E0599
/// # fn doc(client: ringfence::surface::openai::GuardedClient) {
/// client.transport();
/// # }
/// ```
///
/// Where unused results are errors, so is a call whose outcome nobody looks at:
///
/// ```compile_fail
/// #![deny(unused_must_use)]
/// use ringfence::surface::openai::{GuardedAgent, Tools};
/// async fn ask(agent: GuardedAgent, tools: Tools) {
///     agent.run("gpt-5", "hello", &tools).await;
/// }
/// ```
///
/// ```
/// #![deny(unused_must_use)]
/// use ringfence::surface::openai::{GuardedAgent, Tools};
/// async fn ask(agent: GuardedAgent, tools: Tools) -> bool {
///     agent.run("gpt-5", "hello", &tools).await.is_ok()
/// }
/// ```
#[derive(Clone)]
pub struct GuardedClient {
    guard: Arc<Guard>,
    settings: Arc<Settings>,
    way: Way,
    /// The SDK's client, with neither the address nor a key, which belong to the way behind the guard. Each agent has a copy that calls
    /// the guard; this one calls nothing.
    sdk: Client<OpenAIConfig>,
    /// Sessions that were begun: their names differ even without randomness.
    sessions: Arc<AtomicU64>,
}

impl std::fmt::Debug for GuardedClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GuardedClient").field("guard", &self.guard).finish_non_exhaustive()
    }
}

/// Sets up a [`GuardedClient`].
pub struct ClientBuilder {
    guard: Arc<Guard>,
    config: OpenAIConfig,
    keys: Option<Keys>,
    carrier: Option<Carrier>,
    settings: Settings,
}

impl std::fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientBuilder").finish_non_exhaustive()
    }
}

impl ClientBuilder {
    /// Where keys come from; otherwise all calls are made with the configuration's.
    #[must_use]
    pub fn keys(mut self, keys: impl KeyProvider + 'static) -> Self {
        self.keys = Some(Arc::new(keys));
        self
    }

    /// What carries requests to the provider in the place of the client's own connections: an HTTP client with a proxy or time limits of
    /// its own, or answers that were recorded. It is what the SDK's `with_http_service` takes, and stands below the guard: it is given
    /// what the guard has let through, with the key of the call, and what it answers is decided about before anybody sees it. Nothing
    /// gives it back. Failures that may pass are tried again above it.
    ///
    /// An HTTP client should follow no redirects, which would take what was decided about somewhere else, and have a provider of
    /// cryptography: `reqwest::redirect::Policy::none()`, and see `docs/openai.md`.
    ///
    /// ```
    /// use async_openai::config::OpenAIConfig;
    /// use async_openai::middleware::HttpRequestFactory;
    /// use ringfence::surface::openai::GuardedClient;
    /// use ringfence::{Engine, User};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let recorded = tower::service_fn(async |_: HttpRequestFactory| {
    ///     let answer = r#"{"id": "c", "object": "chat.completion", "created": 0, "model": "gpt-5", "choices": [
    ///         {"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}]}"#;
    ///     Ok::<_, async_openai::error::OpenAIError>(http::Response::new(answer).into())
    /// });
    /// let client = GuardedClient::builder(Engine::embedded()?, &OpenAIConfig::new().with_api_key("none"))?
    ///     .transport(recorded)
    ///     .build()?;
    /// let agent = client.as_user(User::new("alice", ["user"])).agent("assistant");
    /// let request = serde_json::from_str(r#"{"model": "gpt-5", "messages": [{"role": "user", "content": "Hello?"}]}"#)?;
    /// let answer = agent.chat().create(request).await?;
    /// assert_eq!(answer.choices[0].message.content.as_deref(), Some("Hello."));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn transport<S>(mut self, transport: S) -> Self
    where
        S: tower::Service<HttpRequestFactory, Response = reqwest::Response> + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
        S::Error: Into<OpenAIError> + Send + Sync + 'static,
    {
        self.carrier = Some(Carrier::new(transport.map_err(Into::into)));
        self
    }

    /// Who is asked where a verdict asks; without anybody it is a refusal. An answer comes within `expires` or not at all.
    #[must_use]
    pub fn approver(mut self, approver: impl Approver + 'static, expires: Duration) -> Self {
        self.settings.approver = Some(Arc::new(approver));
        self.settings.approval_time = expires;
        self
    }

    /// A detector whose scores become facts. One that takes longer than `time` has none.
    #[must_use]
    pub fn detector(mut self, detector: impl Detector + 'static, time: Duration) -> Self {
        self.settings.detectors.push(Watch::new(Arc::new(detector), time));
        self
    }

    /// Is told of every verdict as it comes, those that ask included.
    #[must_use]
    pub fn observer(mut self, observer: impl Fn(&Event, &Verdict) + Send + Sync + 'static) -> Self {
        self.settings.observers.push(Arc::new(observer));
        self
    }

    /// What becomes of refused tool calls, where that is stricter than what the bundle's manifest says (`refused_calls`).
    #[must_use]
    pub fn refused_calls(mut self, refused_calls: RefusedCalls) -> Self {
        self.settings.refused_calls = refused_calls;
        self
    }

    /// Lets images, sounds and files through, whose content nothing reads.
    #[must_use]
    pub fn attachments(mut self) -> Self {
        self.settings.openings.attachments = true;
        self
    }

    /// Lets these tools of the provider through (`web_search`, `file_search`, `code_interpreter`, `image_generation`), where
    /// policy lets the agent have them. The provider runs them: only what they gave can be refused, not that they run.
    #[must_use]
    pub fn hosted<T: Into<String>>(mut self, types: impl IntoIterator<Item = T>) -> Self {
        self.settings.openings.hosted.extend(types.into_iter().map(Into::into));
        self
    }

    /// The most that is taken of one answer: bytes in all, time in all, time without a word.
    #[must_use]
    pub fn answers(mut self, bytes: usize, time: Duration, idle: Duration) -> Self {
        self.settings.answer_bytes = bytes;
        self.settings.answer_time = time;
        self.settings.idle_time = idle;
        self
    }

    /// The client.
    ///
    /// # Errors
    /// Where the configuration has no key and no provider of keys is given, or no connection can be set up.
    pub fn build(self) -> Result<GuardedClient, GuardError> {
        let Self { guard, config, keys, carrier, settings } = self;
        let keys = match keys {
            Some(keys) => keys,
            None => Arc::new(OneKey::new(config.api_key())?),
        };
        let way = Arc::new(Transport::new(&config, keys, carrier)?);
        let nowhere =
            OpenAIConfig::new().with_api_base(NOWHERE).with_api_key("").with_org_id("").with_project_id("");
        let sdk = Client::build(way.http().clone(), nowhere).with_http_service(tower::service_fn(nothing));
        Ok(GuardedClient { guard, settings: Arc::new(settings), way, sdk, sessions: Arc::default() })
    }
}

/// Calls nothing.
async fn nothing(_: HttpRequestFactory) -> Result<reqwest::Response, OpenAIError> {
    Err(GuardError::Endpoint.into())
}

impl GuardedClient {
    /// A client with the SDK's configuration. Ask for more with [`GuardedClient::builder`].
    ///
    /// # Errors
    /// Where the bundle does not compile, or the configuration has no key.
    pub fn new(policies: impl IntoGuard, config: &OpenAIConfig) -> Result<Self, GuardError> {
        Self::builder(policies, config)?.build()
    }

    /// A client to be set up.
    ///
    /// # Errors
    /// Where the bundle does not compile.
    pub fn builder(policies: impl IntoGuard, config: &OpenAIConfig) -> Result<ClientBuilder, GuardError> {
        Ok(ClientBuilder {
            guard: policies.into_guard()?,
            config: config.clone(),
            keys: None,
            carrier: None,
            settings: Settings {
                openings: Openings::default(),
                detectors: Vec::new(),
                approver: None,
                approval_time: Duration::from_secs(300),
                observers: Vec::new(),
                refused_calls: RefusedCalls::default(),
                answer_bytes: 8 << 20,
                answer_time: Duration::from_secs(600),
                idle_time: Duration::from_secs(120),
            },
        })
    }

    /// The guard.
    #[must_use]
    pub fn guard(&self) -> &Arc<Guard> {
        &self.guard
    }

    /// A conversation of an agent for a user.
    pub(super) fn conversation(&self, user: User, agent: String, session: Opened) -> Conversation {
        Conversation::new(Arc::clone(&self.guard), Arc::clone(&self.settings), user, agent, session)
    }

    /// A name that no other session has.
    pub(super) fn fresh_session(&self) -> String {
        let mut random = [0; 12];
        // Without randomness it is still unique among those of this guard.
        let _ = getrandom::fill(&mut random);
        let random = random.iter().fold(0_u128, |all, byte| all << 8 | u128::from(*byte));
        format!("{random:024x}-{}", self.sessions.fetch_add(1, Ordering::Relaxed))
    }

    /// Calls on behalf of a user.
    #[must_use]
    pub fn as_user(&self, user: User) -> AsUser {
        AsUser { client: self.clone(), user }
    }
}

/// A client on behalf of a user.
#[derive(Debug, Clone)]
pub struct AsUser {
    pub(super) client: GuardedClient,
    pub(super) user: User,
}

impl AsUser {
    /// An agent of the directory, or one that was created, in a session of its own, which ends when the last clone of the
    /// agent, its conversations and streams is dropped.
    #[must_use]
    pub fn agent(&self, name: impl Into<String>) -> GuardedAgent {
        self.open(name.into(), Opened::Own(self.client.fresh_session()))
    }

    /// An agent in a session that the application names: a new one, or one to be gone on with. It lasts until
    /// [`Guard::end_session`].
    #[must_use]
    pub fn agent_in(&self, name: impl Into<String>, session: impl Into<String>) -> GuardedAgent {
        self.open(name.into(), Opened::Named(session.into()))
    }

    fn open(&self, name: String, session: Opened) -> GuardedAgent {
        let conversation = self.client.conversation(self.user.clone(), name, session);
        let guarded = Guarded { conversation: Arc::new(conversation), way: Arc::clone(&self.client.way) };
        let sdk = self.client.sdk.clone().with_http_service(guarded.clone());
        GuardedAgent { guarded, sdk }
    }
}

/// An agent that runs for a user in one session. Its calls are those of the SDK, each of them guarded.
///
/// Whatever else the SDK's handles offer (stored responses, token counts) is refused with
/// [`GuardError::Endpoint`] before anything is sent.
#[derive(Clone)]
pub struct GuardedAgent {
    pub(super) guarded: Guarded,
    sdk: Client<OpenAIConfig>,
}

impl std::fmt::Debug for GuardedAgent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let conversation = &self.guarded.conversation;
        f.debug_struct("GuardedAgent")
            .field("agent", &conversation.agent)
            .field("session", &conversation.session)
            .finish_non_exhaustive()
    }
}

impl GuardedAgent {
    /// Chat Completions.
    #[must_use]
    pub fn chat(&self) -> Chat<'_, OpenAIConfig> {
        self.sdk.chat()
    }

    /// Responses.
    #[must_use]
    pub fn responses(&self) -> Responses<'_, OpenAIConfig> {
        self.sdk.responses()
    }

    /// The agent's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.guarded.conversation.agent
    }

    /// The session, under which the guard and the audit log know this run.
    #[must_use]
    pub fn session(&self) -> &str {
        &self.guarded.conversation.session
    }

    /// A text of the agent with the values behind pseudonyms, as far as policy lets the user have them.
    #[must_use]
    pub fn reveal(&self, text: &str) -> String {
        self.guarded.conversation.reveal(text)
    }
}
