//! Lines of files, each for the worker that has its session.

use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crate::decode;
use crate::event::{AccessKind, Body, Chat, Event};
use crate::surface::cli::report;

/// Bytes of lines on their way between the reader and the output, unless a single one is longer.
const BYTES_IN_FLIGHT: usize = 4 << 20;
/// Longest line that is read, in bytes.
const MAX_LINE: usize = 64 << 20;

/// Where a line stands.
#[derive(Debug, Clone)]
pub(in crate::surface::cli) struct Place {
    pub(in crate::surface::cli) file: Arc<str>,
    pub(in crate::surface::cli) line: usize,
}

/// What a line is.
pub(in crate::surface::cli) enum Work {
    Event(Box<Event>),
    Chat(Chat),
    Malformed(String),
}

impl Work {
    /// Whether what it does is seen by every session: an agent that it creates.
    fn is_for_all(&self) -> bool {
        matches!(self, Work::Event(event) if matches!(&event.body, Body::Access(access) if access.kind == AccessKind::Create))
    }
}

/// A line on its way to a worker.
pub(super) struct Line {
    pub(super) number: usize,
    pub(super) bytes: usize,
    pub(super) place: Place,
    pub(super) work: Work,
}

/// Holds the reader back while too much is under way, whatever the length of lines.
#[derive(Default)]
pub(super) struct Flow {
    under_way: Mutex<UnderWay>,
    less: Condvar,
}

#[derive(Default)]
struct UnderWay {
    bytes: usize,
    lines: usize,
}

impl Flow {
    fn begin(&self, bytes: usize) {
        let used = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        let full = |used: &mut UnderWay| used.lines > 0 && used.bytes + bytes > BYTES_IN_FLIGHT;
        let mut used = self.less.wait_while(used, full).unwrap_or_else(PoisonError::into_inner);
        used.bytes += bytes;
        used.lines += 1;
    }

    pub(super) fn end(&self, bytes: usize) {
        let mut used = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        used.bytes -= bytes;
        used.lines -= 1;
        self.less.notify_one();
    }

    /// Waits until everything that was begun has ended.
    fn drain(&self) {
        let used = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.less.wait_while(used, |used| used.lines > 0).unwrap_or_else(PoisonError::into_inner));
    }
}

/// Reads files and gives each session's lines to one worker, in order.
pub(super) struct Reader<'a> {
    pub(super) files: &'a [PathBuf],
    pub(super) offer_called_tools: bool,
    pub(super) workers: Vec<SyncSender<Line>>,
    pub(super) stop: &'a AtomicBool,
    pub(super) flow: &'a Flow,
}

/// Nobody takes lines any more.
struct Ended;

impl Reader<'_> {
    /// Reads everything that can be read; what can't be is told, and whether there was any such is returned.
    pub(super) fn run(self) -> bool {
        let state = RandomState::new();
        let (mut number, mut told, mut unreadable) = (0, false, false);
        for path in self.files {
            match self.file(path, &state, &mut number, &mut told) {
                Ok(Ok(())) => {}
                Ok(Err(Ended)) => break,
                Err(error) => {
                    report::error(
                        &anyhow::Error::new(error).context(format!("can't read `{}`", path.display())),
                    );
                    unreadable = true;
                }
            }
        }
        unreadable
    }

    fn file(
        &self,
        path: &Path,
        state: &RandomState,
        number: &mut usize,
        told: &mut bool,
    ) -> io::Result<Result<(), Ended>> {
        let name: Arc<str> = path.display().to_string().into();
        let mut input: Box<dyn BufRead> = if path == Path::new("-") {
            Box::new(BufReader::new(io::stdin()))
        } else {
            Box::new(BufReader::with_capacity(1 << 17, File::open(path)?))
        };
        let mut bytes = Vec::new();
        for line in 1.. {
            bytes.clear();
            let length = Read::take(&mut input, MAX_LINE as u64 + 1).read_until(b'\n', &mut bytes)?;
            if length == 0 {
                break;
            }
            if self.stop.load(Ordering::Relaxed) {
                return Ok(Err(Ended));
            }
            let (key, work) = if length > MAX_LINE {
                skip_line(&mut input)?;
                let message = format!("the line is longer than {} MiB", MAX_LINE >> 20);
                bytes = Vec::new();
                (String::new(), Work::Malformed(message))
            } else {
                let text = bytes.trim_ascii();
                if text.is_empty() {
                    continue;
                }
                parse(text)
            };
            if let (Work::Chat(chat), true, false) = (&work, self.offer_called_tools, *told)
                && chat.tools.is_none()
            {
                *told = true;
                report::note("note: sessions that name no tools are offered those that they call");
            }
            let place = Place { file: Arc::clone(&name), line };
            // Sessions run side by side, but an agent that one creates is known to all that come after it.
            let for_all = work.is_for_all();
            if for_all {
                self.flow.drain();
            }
            self.flow.begin(length);
            #[expect(clippy::cast_possible_truncation, reason = "a remainder of the number of workers")]
            let worker = (state.hash_one(&key) % self.workers.len() as u64) as usize;
            let line = Line { number: *number, bytes: length, place, work };
            let sent = self.workers.get(worker).map(|to| to.send(line));
            if !matches!(sent, Some(Ok(()))) {
                return Ok(Err(Ended));
            }
            *number += 1;
            if for_all {
                self.flow.drain();
            }
        }
        Ok(Ok(()))
    }
}

/// Reads on to the end of a line.
fn skip_line(input: &mut dyn BufRead) -> io::Result<()> {
    loop {
        let buffer = input.fill_buf()?;
        let (length, ended) = match buffer.iter().position(|byte| *byte == b'\n') {
            Some(at) => (at + 1, true),
            None => (buffer.len(), buffer.is_empty()),
        };
        input.consume(length);
        if ended {
            return Ok(());
        }
    }
}

/// What a line is, and the session that it belongs to.
fn parse(bytes: &[u8]) -> (String, Work) {
    let malformed = |message: String| (String::new(), Work::Malformed(message));
    let Ok(text) = std::str::from_utf8(bytes) else { return malformed("the line is not UTF-8".to_owned()) };
    let node = match decode::node_from_json(text) {
        Ok(node) => node,
        Err(problem) => return malformed(problem.message),
    };
    let has_messages =
        |entries: &[(decode::Key, decode::Node)]| entries.iter().any(|(key, _)| key.text == "messages");
    if matches!(&node.kind, decode::Kind::Mapping(entries) if has_messages(entries)) {
        return match Chat::from_value(decode::to_value(&node)) {
            Ok(chat) => (chat.id.clone(), Work::Chat(chat)),
            Err(error) => malformed(error.to_string()),
        };
    }
    match Event::from_node(&node) {
        Ok(event) => (event.session.clone(), Work::Event(Box::new(event))),
        Err(error) => malformed(error.to_string()),
    }
}
