//! What a provider says beside what the model said.

use async_openai::error::{ApiErrorResponse, OpenAIError};
use serde_json::{Value, json};

use super::conversation::Conversation;
use super::digest::key;
use super::error::GuardError;
use super::transport;
use super::wire;
use crate::event::Body;

impl Conversation {
    /// Decides about texts beside what the model said: what the provider repeats of the request, and whatever else it says. What is
    /// refused is taken out.
    pub(crate) async fn beside(&self, names: &[String], document: &mut Value) {
        if names.is_empty() {
            return;
        }
        let Some(members) = document.as_object_mut() else { return };
        let taken = names.iter().filter_map(|name| Some((name.clone(), members.get(name)?.clone())));
        let texts = Value::Object(taken.collect());
        let key = key("beside", &texts);
        // Each event of a stream that has the response repeats them.
        let known = self.memory().known(&key);
        let decided = match known {
            Some(known) => known.unwrap_or(texts),
            None => {
                let decided = match self.decide(Body::Output { text: texts.clone() }).await {
                    Ok((body, _)) => wire::into_value(body),
                    Err(_) => Value::Null,
                };
                self.memory().add(key, Some(decided.clone()).filter(|decided| *decided != texts));
                decided
            }
        };
        for name in names {
            match decided.get(name) {
                Some(text) => members.insert(name.clone(), text.clone()),
                None => members.remove(name),
            };
        }
    }

    /// What a provider tells of a failure of its own, decided about: it may repeat what it was sent, or anything else.
    pub(crate) async fn failure(&self, mut error: Value) -> Value {
        if !error.is_object() {
            error = json!({ "message": error });
        }
        wire::only_error(&mut error);
        match self.decide(Body::Output { text: error.clone() }).await {
            Ok((body, _)) => wire::into_value(body),
            Err(_) => {
                json!({ "message": "the provider failed; what it told of it was withheld" })
            }
        }
    }

    /// The same for an error of the SDK's.
    pub(crate) async fn failed(&self, error: GuardError) -> GuardError {
        match error {
            GuardError::Upstream(error) => match *error {
                OpenAIError::ApiError(ApiErrorResponse { status_code, api_error }) => {
                    let told = serde_json::to_value(&api_error).unwrap_or_default();
                    transport::told(status_code, &self.failure(told).await)
                }
                other => GuardError::Upstream(Box::new(other)),
            },
            other => other,
        }
    }
}
