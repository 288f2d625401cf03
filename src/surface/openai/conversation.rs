//! One run of an agent for a user: every part of what travels is decided here.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use super::approve::{Answer, Approver, Question};
use super::detect::{self, Watch};
use super::digest::key;
use super::draft::Draft;
use super::error::{GuardError, Refusal, What};
use super::telemetry;
use super::wire::{self, Api, Call, Memory, Openings, Slot, Unfit, value_of};
use super::withheld::{RefusedCall, Withheld};
use crate::bundle::RefusedCalls;
use crate::event::{Body, Event, Stage, User};
use crate::guard::Guard;
use crate::verdict::{Decision, Verdict};

/// Most parts of a conversation whose decisions are remembered.
const REMEMBERED: usize = 8192;
/// Most bytes of edited parts that are remembered.
const REMEMBERED_BYTES: usize = 4 << 20;
/// Most bytes of parts that are remembered before they are digested.
const UNDIGESTED: usize = 16 << 10;
/// Most responses that a request may continue.
const RESPONSES: usize = 256;

/// Told of every verdict as it comes.
pub(crate) type Observer = Arc<dyn Fn(&Event, &Verdict) + Send + Sync>;

/// How a client is set up.
pub(crate) struct Settings {
    pub(crate) openings: Openings,
    pub(crate) detectors: Vec<Watch>,
    pub(crate) approver: Option<Arc<dyn Approver>>,
    pub(crate) approval_time: Duration,
    pub(crate) observers: Vec<Observer>,
    pub(crate) refused_calls: RefusedCalls,
    pub(crate) answer_bytes: usize,
    pub(crate) answer_time: Duration,
    pub(crate) idle_time: Duration,
}

/// One run of an agent.
pub(crate) struct Conversation {
    pub(crate) guard: Arc<Guard>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) user: User,
    pub(crate) agent: String,
    pub(crate) session: String,
    /// Whether the session is this conversation's own, and ends with it.
    is_own: bool,
    memory: Mutex<Remembered>,
    /// An event that was decided about, for the next one: all but their bodies are alike.
    spare: Mutex<Option<Event>>,
}

/// The session of a conversation.
pub(crate) enum Opened {
    /// Nobody else has it: nothing is kept of it when the conversation is over.
    Own(String),
    /// The application named it, and may go on with it later.
    Named(String),
}

impl Drop for Conversation {
    fn drop(&mut self) {
        if self.is_own {
            // Where its end can't be recorded, it counts as ended a day after its last event.
            let _ = self.guard.end_session(&self.session);
        }
    }
}

/// What was decided before in this conversation, so that history that is sent again is not decided, and counted, again.
#[derive(Default)]
pub(super) struct Remembered {
    /// What became of a part; `None` where it stayed as it was.
    parts: HashMap<[u8; 32], Option<Value>>,
    order: VecDeque<([u8; 32], usize)>,
    bytes: usize,
    /// What users have said since, and went on as it was: digested when it comes again, if it does.
    said: Vec<(&'static str, Value)>,
    undigested: usize,
    /// Digests of the ids of responses: a provider may make ids of any length.
    responses: VecDeque<[u8; 32]>,
    pub(super) withheld: VecDeque<Withheld>,
    /// Tokens that no event has stated yet.
    tokens: u64,
}

impl Remembered {
    /// What became of a part that was decided about before; inside, what stands there since, where that is something else.
    pub(super) fn known(&mut self, digest: &[u8; 32]) -> Option<Option<Value>> {
        self.digest_said();
        self.parts.get(digest).cloned()
    }

    /// Digests what was said. What is added of the same words behind it counts.
    pub(super) fn digest_said(&mut self) {
        self.undigested = 0;
        for (name, value) in std::mem::take(&mut self.said) {
            self.add(key(name, &value), None);
        }
    }

    /// Remembers a part that stayed as it was.
    pub(super) fn add_said(&mut self, name: &'static str, value: Value) {
        let bytes = wire::bytes(&value) + size_of::<Value>();
        if self.undigested + bytes > UNDIGESTED {
            return self.add(key(name, &value), None);
        }
        self.undigested += bytes;
        self.said.push((name, value));
    }

    pub(super) fn add(&mut self, key: [u8; 32], edited: Option<Value>) {
        let bytes = edited.as_ref().map_or(0, |value| value.to_string().len());
        if bytes > REMEMBERED_BYTES || self.parts.insert(key, edited).is_some() {
            return;
        }
        self.order.push_back((key, bytes));
        self.bytes += bytes;
        while self.order.len() > REMEMBERED || self.bytes > REMEMBERED_BYTES {
            let Some((oldest, bytes)) = self.order.pop_front() else { break };
            self.parts.remove(&oldest);
            self.bytes -= bytes;
        }
    }
}

/// A tool call that was decided about.
#[derive(Debug)]
pub(crate) struct Ruled {
    pub(crate) call: Call,
    /// The arguments as edited, or why not.
    pub(crate) arguments: Result<Value, Box<Refusal>>,
}

/// A response that was decided about, its texts edited. Refused calls still stand in it.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) document: Draft,
    pub(crate) calls: Vec<Ruled>,
    /// The refusal of what the model wrote.
    pub(crate) refused: Option<Box<Refusal>>,
}

impl Conversation {
    pub(crate) fn new(
        guard: Arc<Guard>,
        settings: Arc<Settings>,
        user: User,
        agent: String,
        session: Opened,
    ) -> Self {
        let (session, is_own) = match session {
            Opened::Own(session) => (session, true),
            Opened::Named(session) => (session, false),
        };
        Self {
            guard,
            settings,
            user,
            agent,
            session,
            is_own,
            memory: Mutex::default(),
            spare: Mutex::default(),
        }
    }

    pub(super) fn memory(&self) -> MutexGuard<'_, Remembered> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An event of this conversation.
    pub(crate) fn event(&self, body: Body) -> Event {
        let mut event = Event::output(self.session.clone(), self.user.clone(), self.agent.clone(), "");
        event.body = body;
        event
    }

    /// What becomes of refused tool calls: the stricter of what the bundle says and what the application asked for.
    pub(crate) fn refused_calls(&self) -> RefusedCalls {
        self.settings.refused_calls.max(self.guard.engine().refused_calls())
    }

    fn observe(&self, event: &Event, verdict: &Verdict) {
        telemetry::verdict(event, verdict);
        for observer in &self.settings.observers {
            observer(event, verdict);
        }
    }

    /// Tells of tokens that the next event states.
    pub(crate) fn spent(&self, tokens: Option<u64>) {
        let mut memory = self.memory();
        memory.tokens = memory.tokens.saturating_add(tokens.unwrap_or(0));
    }

    /// Decides about one thing, and asks a person where the guard says so. Gives it as edited.
    pub(crate) async fn decide(&self, body: Body) -> Result<(Body, Verdict), Box<Refusal>> {
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut event = match spare {
            Some(spare) => Event { body, ..spare },
            None => self.event(body),
        };
        let decided = if self.settings.detectors.is_empty() && self.settings.approver.is_none() {
            // There is nobody to wait for.
            self.state_tokens(&mut event);
            let verdict = self.checked(&event);
            Self::outcome(event, verdict)
        } else {
            Box::pin(self.decide_event(event)).await
        };
        let (event, verdict) = decided?;
        let nothing = Body::Output { text: Value::Null };
        let Event { session, user, agent, body, .. } = event;
        let spare =
            Event { session, at: None, user, agent, facts: BTreeMap::new(), tokens: None, body: nothing };
        *self.spare.lock().unwrap_or_else(PoisonError::into_inner) = Some(spare);
        Ok((body, verdict))
    }

    /// Decides about an event.
    pub(crate) async fn decide_event(&self, mut event: Event) -> Result<(Event, Verdict), Box<Refusal>> {
        self.state_tokens(&mut event);
        detect::state(&self.settings.detectors, &mut event).await;
        let asked = self.checked(&event);
        let verdict = match (asked.enforced, &self.settings.approver) {
            (Decision::Ask, Some(approver)) => {
                let edited = event.with_edits(&asked.edits);
                let expires = self.settings.approval_time;
                let question = Question { event: &edited, verdict: &asked, expires };
                match tokio::time::timeout(expires, approver.ask(question)).await {
                    Ok(Answer::Approved { by }) => {
                        // What it has cost was counted when it was asked about.
                        event.tokens = None;
                        let verdict = self.guard.approve(&event, asked.seq, &by);
                        self.observe(&event, &verdict);
                        verdict
                    }
                    Ok(Answer::Refused) | Err(_) => asked,
                }
            }
            _ => asked,
        };
        Self::outcome(event, verdict)
    }

    /// States the tokens that no event has stated yet.
    fn state_tokens(&self, event: &mut Event) {
        let tokens = std::mem::take(&mut self.memory().tokens);
        event.tokens = (tokens > 0).then_some(tokens);
    }

    fn checked(&self, event: &Event) -> Verdict {
        let verdict = self.guard.check(event);
        self.observe(event, &verdict);
        verdict
    }

    /// What an event came to: as edited, or why it is refused.
    fn outcome(event: Event, verdict: Verdict) -> Result<(Event, Verdict), Box<Refusal>> {
        if !verdict.is_allowed() {
            return Err(Box::new(Refusal { what: what(&event), verdict }));
        }
        let event = if verdict.edits.is_empty() { event } else { event.with_edits(&verdict.edits) };
        Ok((event, verdict))
    }

    /// Records that something was no event at all.
    pub(crate) fn malformed(&self, what: What, message: &str) -> Box<Refusal> {
        let verdict = self.guard.refuse_malformed(Some(&self.session), message);
        Box::new(Refusal { what, verdict })
    }

    pub(super) fn unfit(&self, unfit: &Unfit) -> GuardError {
        GuardError::Refused(self.malformed(What::Input, &unfit.to_string()))
    }

    /// Remembers what came from the model, as it was handed on: sent back, it is known.
    pub(crate) fn remember(&self, name: &str, value: &Value) {
        self.memory().add(key(name, value), None);
    }

    /// Remembers a result that was decided about, or that says why there is none.
    pub(crate) fn remember_result(&self, tool: &str, call: &str, result: &Value) {
        self.memory().add(key("result", &json!([tool, call, result])), None);
    }

    /// Remembers a response that a later request may continue.
    pub(crate) fn remember_response(&self, id: &str) {
        let id = of_response(id);
        let mut memory = self.memory();
        memory.responses.push_back(id);
        if memory.responses.len() > RESPONSES {
            memory.responses.pop_front();
        }
    }

    /// Whether a response is one of this conversation.
    pub(super) fn knows_response(&self, id: &str) -> bool {
        let id = of_response(id);
        self.memory().responses.contains(&id)
    }

    /// Decides about a whole response.
    ///
    /// Where the provider does not tell what was used, the request is taken to have cost what `estimate` says.
    pub(crate) async fn response(
        &self,
        api: Api,
        mut document: Draft,
        estimate: impl Fn() -> u64 + Send,
    ) -> Result<Answered, GuardError> {
        let read = wire::read_answer(api, &mut document, &self.settings.openings);
        let response = match read {
            Ok(response) => response,
            Err(error) => {
                let _ = self.malformed(What::Output, &error.to_string());
                return Err(GuardError::Answer(error));
            }
        };
        let estimated = || estimate() + wire::estimated_tokens(document.document());
        self.spent(Some(response.tokens.unwrap_or_else(estimated)));
        if !response.texts.is_empty() {
            self.beside(&response.texts, document.change()).await;
        }
        let mut denied: BTreeSet<usize> = BTreeSet::new();
        let mut refused: Option<Box<Refusal>> = None;
        for (slot, choice) in response.slots.into_iter().zip(response.choices) {
            if denied.contains(&choice) {
                continue;
            }
            let Slot { body, place, memory } = slot;
            match self.decide(body).await {
                Ok((body, verdict)) => {
                    let decided = value_of(&body);
                    if let Memory::Known(name) = memory {
                        self.remember(name, decided);
                    }
                    let handed = self.handed(decided);
                    // Otherwise it is what stands there.
                    if !verdict.edits.is_empty() || matches!(handed, Cow::Owned(_)) {
                        place.write_if_changed(document.change(), &handed);
                    }
                }
                Err(refusal) => {
                    let document = document.change();
                    match api {
                        Api::Chat => wire::chat::deny(document, choice, refusal.message()),
                        Api::Responses => wire::responses::deny(document, refusal.message()),
                    }
                    denied.insert(choice);
                    refused.get_or_insert(refusal);
                }
            }
        }
        let mut calls = Vec::with_capacity(response.calls.len());
        for call in response.calls.into_iter().filter(|call| !denied.contains(&call.choice)) {
            let ruled = self.call(call).await;
            if let Ok(arguments) = &ruled.arguments
                && ruled.call.arguments.as_ref() != Ok(arguments)
            {
                ruled.call.place.write(document.change(), arguments);
            }
            calls.push(ruled);
        }
        if let Some(id) = response.id.filter(|_| api == Api::Responses) {
            self.remember_response(&id);
        }
        Ok(Answered { document, calls, refused })
    }

    /// Decides about a tool call.
    pub(crate) async fn call(&self, call: Call) -> Ruled {
        let arguments = match &call.arguments {
            Err(why) => Err(self.malformed(What::Call, why)),
            Ok(arguments) => {
                let (tool, id) = (call.tool.clone(), Some(call.id.clone()));
                let body = Body::ToolCall { tool, call: id, arguments: arguments.clone() };
                self.decide(body).await.map(|(body, _)| wire::into_value(body))
            }
        };
        match &arguments {
            Ok(arguments) => self.remember("call", arguments),
            // Answered with the reason, it comes back as history: words of the model that its provider knows.
            Err(_) => self.remember("call", &call.written()),
        }
        Ruled { call, arguments }
    }

    /// The response for an application that runs the tools: without the calls that were refused.
    pub(crate) fn for_application(&self, api: Api, answered: Answered) -> Result<Draft, GuardError> {
        let Answered { mut document, calls, .. } = answered;
        if calls.iter().all(|ruled| ruled.arguments.is_ok()) {
            for Ruled { call, arguments } in calls {
                if let Some(handed) =
                    arguments.ok().and_then(|decided| self.handed_arguments(&call.tool, &decided))
                {
                    call.place.write(document.change(), &handed);
                }
            }
            return Ok(document);
        }
        let mut by_choice: BTreeMap<usize, (Vec<String>, Vec<RefusedCall>)> = BTreeMap::new();
        for Ruled { call, arguments } in calls {
            let (kept, gone) = by_choice.entry(call.choice).or_default();
            match arguments {
                Ok(decided) => {
                    if let Some(handed) = self.handed_arguments(&call.tool, &decided) {
                        call.place.write(document.change(), &handed);
                    }
                    kept.push(call.id);
                }
                Err(refusal) if self.refused_calls() == RefusedCalls::Fail => {
                    return Err(GuardError::Refused(refusal));
                }
                Err(refusal) => gone.push((call, refusal)),
            }
        }
        for (choice, (kept, gone)) in by_choice {
            let Some((_, first)) = gone.first() else { continue };
            let (why, ids) = (first.to_string(), gone.iter().map(|(call, _)| call.id.clone()).collect());
            let document = document.change();
            let response = document.get("id").and_then(Value::as_str).filter(|_| api == Api::Responses);
            self.withhold(response, kept, gone);
            match api {
                Api::Chat => wire::chat::without_calls(document, choice, &ids, &why),
                Api::Responses => wire::responses::without_calls(document, &ids, &why),
            }
        }
        Ok(document)
    }
}

fn of_response(id: &str) -> [u8; 32] {
    key("response", &Value::String(id.to_owned()))
}

pub(crate) fn what(event: &Event) -> What {
    match event.stage() {
        Stage::Access => What::Access,
        Stage::Input => What::Input,
        Stage::ToolCall => What::Call,
        Stage::ToolResult => What::Result,
        Stage::Output => What::Output,
    }
}
