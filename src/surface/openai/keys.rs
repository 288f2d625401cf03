//! Keys of the provider: one for the organisation, or one for each user or tenant.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::event::User;

/// Longest key.
const MAX_KEY: usize = 4096;

/// Gives the key with which a user's calls are made. What has no key makes no call.
pub trait KeyProvider: Send + Sync {
    /// The key for a user.
    fn key<'a>(&'a self, user: &'a User) -> BoxFuture<'a, Result<SecretString, KeyError>>;
}

/// Why there is no key. Never holds one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// None is set up for this user or tenant.
    #[error("{0}")]
    Missing(String),
    /// Where it is kept can't be read.
    #[error("{0}")]
    Unreadable(String),
    /// What was found there is no key.
    #[error("what was found is no key: it is empty, too long, or holds characters that no key has")]
    Malformed,
}

/// Text that may be a key, without the line end behind it.
fn checked(text: &str) -> Result<SecretString, KeyError> {
    let key = text.trim_end_matches(['\n', '\r']);
    let fits = !key.is_empty() && key.len() <= MAX_KEY && key.bytes().all(|byte| byte.is_ascii_graphic());
    if fits { Ok(SecretString::from(key)) } else { Err(KeyError::Malformed) }
}

/// One key for all users.
#[derive(Debug, Clone)]
pub struct OneKey(SecretString);

impl OneKey {
    /// This key.
    ///
    /// # Errors
    /// Where it can be none.
    pub fn new(key: &SecretString) -> Result<Self, KeyError> {
        if key.expose_secret().is_empty() {
            return Err(KeyError::Missing("the configuration has no key; set `OPENAI_API_KEY`".to_owned()));
        }
        checked(key.expose_secret()).map(Self)
    }
}

impl KeyProvider for OneKey {
    fn key<'a>(&'a self, _: &'a User) -> BoxFuture<'a, Result<SecretString, KeyError>> {
        Box::pin(std::future::ready(Ok(self.0.clone())))
    }
}

/// Keys in environment variables.
#[derive(Debug, Clone)]
pub struct EnvironmentKeys {
    prefix: String,
}

impl EnvironmentKeys {
    /// The key of tenant `acme-eu` stands in `<prefix>ACME_EU`; users without a tenant have none.
    #[must_use]
    pub fn by_tenant(prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into() }
    }
}

impl KeyProvider for EnvironmentKeys {
    fn key<'a>(&'a self, user: &'a User) -> BoxFuture<'a, Result<SecretString, KeyError>> {
        Box::pin(async move {
            let tenant = user.tenant.as_deref().unwrap_or_default();
            // Two tenants must not share a variable by looking alike.
            let plain = !tenant.is_empty()
                && tenant
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
            if !plain {
                return Err(KeyError::Missing(
                    "the user has no tenant, or one that names no variable".to_owned(),
                ));
            }
            let name = format!("{}{}", self.prefix, tenant.replace('-', "_").to_ascii_uppercase());
            let Ok(value) = std::env::var(&name) else {
                return Err(KeyError::Missing(format!("the variable `{name}` is not set")));
            };
            checked(&Zeroizing::new(value))
        })
    }
}

/// Keys in files: one for each user or tenant that is named, and perhaps one for all others.
#[derive(Debug, Clone, Default)]
pub struct FileKeys {
    users: BTreeMap<String, PathBuf>,
    tenants: BTreeMap<String, PathBuf>,
    others: Option<PathBuf>,
}

impl FileKeys {
    /// No files yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The file of a user's key.
    #[must_use]
    pub fn user(mut self, id: impl Into<String>, file: impl Into<PathBuf>) -> Self {
        self.users.insert(id.into(), file.into());
        self
    }

    /// The file of a tenant's key, for its users without one of their own.
    #[must_use]
    pub fn tenant(mut self, id: impl Into<String>, file: impl Into<PathBuf>) -> Self {
        self.tenants.insert(id.into(), file.into());
        self
    }

    /// The file of the key for everybody else.
    #[must_use]
    pub fn others(mut self, file: impl Into<PathBuf>) -> Self {
        self.others = Some(file.into());
        self
    }

    fn file(&self, user: &User) -> Option<&PathBuf> {
        let tenant = user.tenant.as_ref().and_then(|tenant| self.tenants.get(tenant));
        self.users.get(&user.id).or(tenant).or(self.others.as_ref())
    }
}

impl KeyProvider for FileKeys {
    fn key<'a>(&'a self, user: &'a User) -> BoxFuture<'a, Result<SecretString, KeyError>> {
        Box::pin(async move {
            let Some(file) = self.file(user) else {
                return Err(KeyError::Missing("no file holds a key for this user or tenant".to_owned()));
            };
            let read = tokio::task::spawn_blocking({
                let file = file.clone();
                move || std::fs::read_to_string(file).map(Zeroizing::new)
            });
            match read.await {
                Ok(Ok(text)) => checked(&text),
                Ok(Err(_)) | Err(_) => {
                    Err(KeyError::Unreadable(format!("the key file `{}` can't be read", file.display())))
                }
            }
        })
    }
}

/// Keys that a command prints: the door to a vault. It gets the user as `RINGFENCE_USER` and the tenant as
/// `RINGFENCE_TENANT`, prints the key alone, and ends with 0.
#[derive(Debug, Clone)]
pub struct CommandKeys {
    program: PathBuf,
    arguments: Vec<String>,
    time: Duration,
}

impl CommandKeys {
    /// A program and its arguments, without a shell.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>, arguments: impl IntoIterator<Item = String>) -> Self {
        Self {
            program: program.into(),
            arguments: arguments.into_iter().collect(),
            time: Duration::from_secs(10),
        }
    }

    /// How long it may take, otherwise ten seconds.
    #[must_use]
    pub fn within(mut self, time: Duration) -> Self {
        self.time = time;
        self
    }
}

impl KeyProvider for CommandKeys {
    fn key<'a>(&'a self, user: &'a User) -> BoxFuture<'a, Result<SecretString, KeyError>> {
        Box::pin(async move {
            let mut command = tokio::process::Command::new(&self.program);
            command.args(&self.arguments).stdin(std::process::Stdio::null()).kill_on_drop(true);
            command
                .env("RINGFENCE_USER", &user.id)
                .env("RINGFENCE_TENANT", user.tenant.as_deref().unwrap_or_default());
            let failed =
                || KeyError::Unreadable(format!("the key command `{}` failed", self.program.display()));
            let output = tokio::time::timeout(self.time, command.output()).await;
            let output = output.map_err(|_| failed())?.map_err(|_| failed())?;
            let printed = Zeroizing::new(output.stdout);
            if !output.status.success() {
                return Err(failed());
            }
            checked(std::str::from_utf8(&printed).map_err(|_| KeyError::Malformed)?)
        })
    }
}

/// Any provider, shared.
pub(crate) type Keys = Arc<dyn KeyProvider>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_a_key_is_one() {
        assert_eq!(checked("sk-1\r\n").unwrap().expose_secret(), "sk-1");
        for text in ["", "\n", "a b", "a\nb", "schlüssel", &"k".repeat(MAX_KEY + 1)] {
            assert_eq!(checked(text).unwrap_err(), KeyError::Malformed);
        }
    }
}
