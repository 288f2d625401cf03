//! Functions of the application as tools of a model.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::wire::Api;

/// A tool that [`GuardedAgent::run`](super::GuardedAgent::run) calls once the guard has allowed a call.
pub trait Tool: Send + Sync {
    /// Its name, as the bundle declares it.
    fn name(&self) -> &str;
    /// What the model is told of it.
    fn description(&self) -> &str;
    /// JSON Schema of its arguments.
    fn parameters(&self) -> Value;
    /// Runs it. Dropped, it is to stop.
    fn call(&self, arguments: Value) -> BoxFuture<'static, Result<Value, ToolError>>;
}

/// Why a tool has no result. The model is told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ToolError(String);

impl ToolError {
    /// With what the model is told.
    #[must_use]
    pub fn new(message: impl fmt::Display) -> Self {
        Self(message.to_string())
    }
}

/// The tools that a run offers.
#[derive(Clone, Default)]
pub struct Tools(Vec<Arc<dyn Tool>>);

impl fmt::Debug for Tools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|tool| tool.name())).finish()
    }
}

impl Tools {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One more. Of two with the same name, the later one is used.
    #[must_use]
    pub fn with(mut self, tool: impl Tool + 'static) -> Self {
        self.0.retain(|other| other.name() != tool.name());
        self.0.push(Arc::new(tool));
        self
    }

    /// An async function as a tool: its arguments are what its parameter's type says.
    ///
    /// ```
    /// use ringfence::surface::openai::Tools;
    ///
    /// #[derive(serde::Deserialize, schemars::JsonSchema)]
    /// struct Lookup {
    ///     /// The order's number.
    ///     number: u32,
    /// }
    ///
    /// let tools = Tools::new().function("order_status", "Where an order is", async |order: Lookup| {
    ///     Ok::<_, std::io::Error>(format!("order {} is on its way", order.number))
    /// });
    /// # assert_eq!(format!("{tools:?}"), r#"["order_status"]"#);
    /// ```
    #[must_use]
    pub fn function<A, R, E, F, T>(
        self,
        name: impl Into<String>,
        description: impl Into<String>,
        run: F,
    ) -> Self
    where
        A: DeserializeOwned + JsonSchema + Send + 'static,
        R: Serialize,
        E: fmt::Display,
        F: Fn(A) -> T + Send + Sync + 'static,
        T: Future<Output = Result<R, E>> + Send + 'static,
    {
        let (name, description) = (name.into(), description.into());
        self.with(Function { name, description, run: Arc::new(run), arguments: PhantomData::<fn(A)> })
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Arc<dyn Tool>> {
        self.0.iter().find(|tool| tool.name() == name)
    }

    /// As a request offers them.
    pub(crate) fn offered(&self, api: Api) -> Vec<Value> {
        let offer = |tool: &Arc<dyn Tool>| {
            let (name, description, parameters) = (tool.name(), tool.description(), tool.parameters());
            match api {
                Api::Chat => json!({
                    "type": "function",
                    "function": { "name": name, "description": description, "parameters": parameters },
                }),
                Api::Responses => json!({
                    "type": "function", "name": name, "description": description, "parameters": parameters,
                    "strict": false,
                }),
            }
        };
        self.0.iter().map(offer).collect()
    }

    /// Those of these names.
    pub(crate) fn only(&self, names: &[String]) -> Self {
        Self(self.0.iter().filter(|tool| names.iter().any(|name| name == tool.name())).cloned().collect())
    }
}

struct Function<A, F> {
    name: String,
    description: String,
    run: Arc<F>,
    arguments: PhantomData<A>,
}

impl<A, R, E, F, T> Tool for Function<fn(A), F>
where
    A: DeserializeOwned + JsonSchema + Send + 'static,
    R: Serialize,
    E: fmt::Display,
    F: Fn(A) -> T + Send + Sync + 'static,
    T: Future<Output = Result<R, E>> + Send + 'static,
{
    fn name(&self) -> &str {
        &self.name
    }

    fn description(&self) -> &str {
        &self.description
    }

    fn parameters(&self) -> Value {
        let mut schema = schemars::schema_for!(A).to_value();
        if let Some(schema) = schema.as_object_mut() {
            schema.remove("$schema");
            schema.remove("title");
        }
        schema
    }

    fn call(&self, arguments: Value) -> BoxFuture<'static, Result<Value, ToolError>> {
        let run = Arc::clone(&self.run);
        Box::pin(async move {
            // The message would repeat what the model wrote; it knows that.
            let arguments = serde_json::from_value(arguments)
                .map_err(|error| ToolError(format!("the arguments do not fit: {error}")))?;
            let result = run(arguments).await.map_err(ToolError::new)?;
            serde_json::to_value(result).map_err(ToolError::new)
        })
    }
}
