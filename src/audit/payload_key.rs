//! The host's key, under which data keys are encrypted: from a file, the environment or a program.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::base64;
use super::digest::hmac;
use super::key::{KeyError, write_new};

const PREFIX: &str = "ringfence-payload-key+";
/// Bytes that a source of a key may give.
const MAX_TEXT: u64 = 4096;
/// How long a program may take to give a key.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// A key under which data keys are encrypted. Wiped from memory when it is dropped.
pub struct PayloadKey {
    bytes: Zeroizing<[u8; 32]>,
    id: [u8; 8],
}

impl std::fmt::Debug for PayloadKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PayloadKey").finish_non_exhaustive()
    }
}

/// Where a key comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A file that nobody but its owner can read.
    File(PathBuf),
    /// A variable of the environment.
    Environment(String),
    /// What a program prints: its name and arguments. No shell reads them.
    Command(Vec<String>),
}

impl std::str::FromStr for KeySource {
    type Err = String;

    /// `env:NAME`, `command:PROGRAM ARGUMENT…`, or else a file.
    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(name) = text.strip_prefix("env:") {
            return if name.is_empty() {
                Err("name the variable: env:NAME".to_owned())
            } else {
                Ok(KeySource::Environment(name.to_owned()))
            };
        }
        if let Some(line) = text.strip_prefix("command:") {
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            return if words.is_empty() {
                Err("name the program: command:PROGRAM ARGUMENT…".to_owned())
            } else {
                Ok(KeySource::Command(words))
            };
        }
        Ok(KeySource::File(PathBuf::from(text)))
    }
}

impl PayloadKey {
    /// A new key from the operating system's randomness, and its text form.
    ///
    /// # Errors
    /// When there is none.
    pub fn generate() -> Result<(Self, Zeroizing<String>), KeyError> {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *bytes).map_err(|_| KeyError::Random)?;
        let text = Zeroizing::new(format!("{PREFIX}{}", &*Zeroizing::new(base64::encode(&*bytes))));
        Ok((Self::new(bytes).ok_or(KeyError::Random)?, text))
    }

    fn new(bytes: Zeroizing<[u8; 32]>) -> Option<Self> {
        let [a, b, c, d, e, f, g, h, ..] = hmac(&*bytes, &[b"ringfence/payload-key/1"])?;
        Some(Self { bytes, id: [a, b, c, d, e, f, g, h] })
    }

    /// Makes a key and writes it to a new file of mode 0600.
    ///
    /// # Errors
    /// When the file can't be written, or is there already.
    pub fn write_new(path: &Path) -> Result<Self, KeyError> {
        let (key, text) = Self::generate()?;
        write_new(path, &Zeroizing::new(format!("{}\n", &**text)), 0o600)?;
        Ok(key)
    }

    /// The key that a source gives.
    ///
    /// # Errors
    /// When it gives none, or its file can be read by others.
    pub fn read(source: &KeySource) -> Result<Self, KeyError> {
        let none = || KeyError::NoPayloadKey { origin: source.to_string() };
        let text = match source {
            KeySource::File(path) => {
                let read = |source| KeyError::Read { path: path.clone(), source };
                let file = File::open(path).map_err(read)?;
                // Of the file that was opened, so that it can't be another one by now.
                #[cfg(unix)]
                if std::os::unix::fs::MetadataExt::mode(&file.metadata().map_err(read)?) & 0o077 != 0 {
                    return Err(KeyError::Exposed { path: path.clone() });
                }
                limited(file).map_err(read)?
            }
            KeySource::Environment(name) => Zeroizing::new(std::env::var(name).map_err(|_| none())?),
            KeySource::Command(words) => printed(words).map_err(|_| none())?,
        };
        Self::parse(text.trim()).ok_or_else(none)
    }

    /// Reads a key in its text form, or as 64 hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = Zeroizing::new([0; 32]);
        if let Some(encoded) = text.strip_prefix(PREFIX) {
            let decoded = Zeroizing::new(base64::decode(encoded)?);
            if decoded.len() != bytes.len() {
                return None;
            }
            bytes.copy_from_slice(&decoded);
        } else {
            let digits = text.as_bytes();
            if digits.len() != 64 {
                return None;
            }
            let digit = |at: usize| {
                let digit = char::from(*digits.get(at)?).to_digit(16)?;
                u8::try_from(digit).ok()
            };
            for (at, byte) in bytes.iter_mut().enumerate() {
                *byte = digit(2 * at)? << 4 | digit(2 * at + 1)?;
            }
        }
        Self::new(bytes)
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// What tells it from other keys and nothing else of it.
    #[must_use]
    pub fn id(&self) -> [u8; 8] {
        self.id
    }
}

impl std::fmt::Display for KeySource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            KeySource::File(path) => write!(f, "{}", path.display()),
            KeySource::Environment(name) => write!(f, "env:{name}"),
            // Arguments may hold what nobody should read.
            KeySource::Command(words) => write!(f, "command:{}", words.first().map_or("", String::as_str)),
        }
    }
}

fn limited(from: impl Read) -> io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::with_capacity(256));
    from.take(MAX_TEXT).read_to_string(&mut text)?;
    Ok(text)
}

/// What a program prints.
fn printed(words: &[String]) -> io::Result<Zeroizing<String>> {
    let (program, arguments) = words.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()?;
    let stdout = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let reader = std::thread::spawn(move || limited(stdout));
    let asked = Instant::now();
    let status = loop {
        match child.try_wait()? {
            Some(status) => break status,
            None if asked.elapsed() > MAX_WAIT => {
                child.kill()?;
                child.wait()?;
                return Err(io::ErrorKind::TimedOut.into());
            }
            None => std::thread::sleep(Duration::from_millis(2)),
        }
    };
    let text = reader.join().map_err(|_| io::ErrorKind::Other)??;
    if status.success() { Ok(text) } else { Err(io::ErrorKind::Other.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_from_files_the_environment_and_programs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("payload.key");
        let key = PayloadKey::write_new(&path).unwrap();
        let source: KeySource = path.to_str().unwrap().parse().unwrap();
        assert_eq!(PayloadKey::read(&source).unwrap().id(), key.id());
        assert!(matches!(PayloadKey::write_new(&path), Err(KeyError::Write { .. })));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let line: KeySource = format!("command:cat {}", path.display()).parse().unwrap();
            assert_eq!(PayloadKey::read(&line).unwrap().id(), key.id());
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
            assert!(matches!(PayloadKey::read(&source), Err(KeyError::Exposed { .. })));
        }
        for bad in [
            "command:false",
            "command:echo no-key",
            "command:/no/such/program",
            "env:RINGFENCE_NO_SUCH_VARIABLE",
        ] {
            let error = PayloadKey::read(&bad.parse().unwrap()).unwrap_err();
            assert!(matches!(error, KeyError::NoPayloadKey { .. }), "{bad}: {error}");
        }
        let error = PayloadKey::read(&"command:false --token hunter2".parse().unwrap()).unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
        let digits = "00112233445566778899aabbccddeeff".repeat(2);
        assert_eq!(PayloadKey::parse(&digits).unwrap().bytes()[..3], [0, 0x11, 0x22]);
        for bad in ["", "00", &digits[1..], &digits.replace('0', "g"), "ringfence-payload-key+AAAA"] {
            assert!(PayloadKey::parse(bad).is_none(), "{bad}");
        }
        assert!("env:".parse::<KeySource>().is_err() && "command: ".parse::<KeySource>().is_err());
        assert_eq!(format!("{key:?}"), "PayloadKey { .. }");
    }
}
