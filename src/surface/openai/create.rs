//! Creating agents.

use serde_json::Value;

use super::client::{AsUser, GuardedAgent};
use super::conversation::{Conversation, Opened};
use super::error::{GuardError, Refusal, What};
use super::run::{Finished, Talk};
use super::tools::Tools;
use super::wire::Api;
use crate::event::{Body, Event};

/// An agent to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentConfig {
    /// Its name, which is sanitised.
    pub name: String,
    /// What it is told.
    pub instructions: String,
    /// The model that it runs on.
    pub model: String,
    /// The tools that it asks for; it gets those that its creator may use.
    pub tools: Vec<String>,
}

/// An agent that was created.
#[derive(Debug, Clone)]
pub struct CreatedAgent {
    agent: GuardedAgent,
    config: AgentConfig,
}

impl AsUser {
    /// Creates an agent: permitted, its name sanitised, its instructions checked, its tools cut to what this user may use,
    /// and recorded.
    ///
    /// # Errors
    /// Where the guard refuses it.
    pub async fn create_agent(&self, config: AgentConfig) -> Result<CreatedAgent, GuardError> {
        let session = self.client.fresh_session();
        let AgentConfig { name, instructions, model, tools } = config;
        let event =
            Event::create(&*session, self.user.clone(), name, instructions, Some(model.clone()), tools);
        let conversation: Conversation =
            self.client.conversation(self.user.clone(), String::new(), Opened::Own(session));
        let (event, verdict) = conversation.decide_event(event).await?;
        let Body::Access(access) = event.body else {
            return Err(Refusal { what: What::Access, verdict }.into());
        };
        let name = access.name.unwrap_or_default().trim().to_owned();
        let instructions = match access.instructions {
            Some(Value::String(text)) => text,
            _ => String::new(),
        };
        let tools = verdict.tools.unwrap_or_default();
        let config = AgentConfig { name, instructions, model, tools };
        Ok(CreatedAgent { agent: self.agent(config.name.clone()), config })
    }
}

impl CreatedAgent {
    /// What it became: the sanitised name, the instructions as edited, the tools that remained.
    #[must_use]
    pub fn config(&self) -> &AgentConfig {
        &self.config
    }

    /// Its calls, in a session of its own.
    #[must_use]
    pub fn agent(&self) -> &GuardedAgent {
        &self.agent
    }

    /// Begins a conversation with it.
    #[must_use]
    pub fn talk(&self, api: Api) -> Talk {
        self.agent.talk(api, self.config.model.clone()).instructions(self.config.instructions.clone())
    }

    /// One question and its answer, with those of these tools that it has.
    ///
    /// # Errors
    /// As [`GuardedAgent::run`].
    pub async fn run(&self, input: &str, tools: &Tools) -> Result<Finished, GuardError> {
        self.talk(Api::Responses).say(input, &tools.only(&self.config.tools)).await
    }
}
