//! Files of events and sessions: read once, worked on by as many threads as there are cores, taken in their order.

mod lines;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};

use self::lines::{Flow, Line, Reader};
pub(super) use self::lines::{Place, Work};
use super::report;
use crate::event::{Event, User};
use crate::guard::Guard;

/// Lines on their way between the reader and a worker.
const IN_FLIGHT: usize = 256;

/// What sessions of chat messages do not say of themselves.
#[derive(Debug, clap::Args)]
pub(super) struct Chats {
    /// The user of sessions of chat messages.
    #[arg(long, default_value = "local")]
    user: String,
    /// The user's roles there; may be given several times.
    #[arg(long, default_value = "user")]
    role: Vec<String>,
    /// The agent of such sessions.
    #[arg(long, default_value = "assistant")]
    agent: String,
    /// The model of such sessions.
    #[arg(long)]
    model: Option<String>,
    /// Where a session names no tools, offer those that it calls.
    #[arg(long)]
    pub(super) offer_called_tools: bool,
}

impl Default for Chats {
    fn default() -> Self {
        Self {
            user: "local".to_owned(),
            role: vec!["user".to_owned()],
            agent: "assistant".to_owned(),
            model: None,
            offer_called_tools: true,
        }
    }
}

/// What can't be an event.
pub(super) struct Malformed {
    /// The session, where the line is one of messages.
    pub(super) session: Option<String>,
    /// Why; repeats nothing of what was read.
    pub(super) message: String,
}

/// The events of a line.
pub(super) struct Events {
    pub(super) list: Vec<Result<Event, Malformed>>,
    /// The session that ends with them: the next line of this id is another one.
    pub(super) ends: Option<String>,
}

impl Chats {
    /// The events that a line stands for. `guard` tells which sessions there are.
    pub(super) fn events(&self, work: Work, guard: &Guard) -> Events {
        let malformed =
            |message: String| Events { list: vec![Err(Malformed { session: None, message })], ends: None };
        match work {
            Work::Malformed(message) => malformed(message),
            Work::Event(event) => Events { list: vec![Ok(*event)], ends: None },
            // An event's session and this one would share labels and counters, or lose them.
            Work::Chat(chat) if guard.session(&chat.id).is_some() => {
                malformed("events before this line are of a session of this id".to_owned())
            }
            Work::Chat(chat) => {
                let user = User::new(self.user.clone(), self.role.clone());
                let called = if self.offer_called_tools { chat.called_tools() } else { Vec::new() };
                let tools = chat.tools.clone().unwrap_or(called);
                let events = chat.events(&user, &self.agent, self.model.as_deref(), &tools).into_iter();
                let refused = |message: String| Malformed { session: Some(chat.id.clone()), message };
                let list = events.map(|event| event.map_err(|error| refused(error.to_string()))).collect();
                Events { list, ends: Some(chat.id) }
            }
        }
    }
}

/// What a line became.
struct Done<T> {
    number: usize,
    bytes: usize,
    place: Place,
    value: T,
}

/// Reads every line of the files, has `work` work on them side by side, those of one session in order, and gives what becomes of
/// them to `take`, in their order. Whether something could not be read, which is told, is returned.
pub(super) fn each<T: Send>(
    files: &[PathBuf],
    offer_called_tools: bool,
    work: &(dyn Fn(Work, &Place) -> T + Sync),
    take: &mut dyn FnMut(&Place, T) -> anyhow::Result<()>,
) -> anyhow::Result<bool> {
    let mut unreadable = false;
    let stop = AtomicBool::new(false);
    let flow = Flow::default();
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| -> anyhow::Result<()> {
        let (done_to, done) = sync_channel::<Done<T>>(IN_FLIGHT);
        let mut lines_to: Vec<SyncSender<Line>> = Vec::new();
        for _ in 0..workers {
            let (to, lines) = sync_channel::<Line>(IN_FLIGHT / workers + 1);
            let done_to = done_to.clone();
            lines_to.push(to);
            scope.spawn(move || {
                for Line { number, bytes, place, work: line } in lines {
                    let value = work(line, &place);
                    if done_to.send(Done { number, bytes, place, value }).is_err() {
                        return;
                    }
                }
            });
        }
        drop(done_to);
        let (stop, flow) = (&stop, &flow);
        let reader = Reader { files, offer_called_tools, workers: lines_to, stop, flow };
        let reader = scope.spawn(move || reader.run());
        let mut taken = Ok(());
        let mut waiting: BTreeMap<usize, Done<T>> = BTreeMap::new();
        let mut next = 0;
        for one in done {
            waiting.insert(one.number, one);
            while let Some(one) = waiting.remove(&next) {
                next += 1;
                flow.end(one.bytes);
                if taken.is_ok() {
                    taken = take(&one.place, one.value);
                }
                // The reader stops, and what is under way is still taken, so that nobody waits for anybody.
                if taken.is_err() {
                    stop.store(true, Ordering::Relaxed);
                }
            }
        }
        unreadable = reader.join().unwrap_or(true);
        taken
    })?;
    Ok(unreadable)
}

/// A counter of events on a terminal.
pub(super) fn progress(wanted: bool) -> Option<indicatif::ProgressBar> {
    (wanted && report::stderr_is_terminal()).then(|| {
        let bar = indicatif::ProgressBar::new_spinner();
        let style = indicatif::ProgressStyle::with_template("{spinner} {pos} events, {per_sec}, {elapsed}");
        bar.with_style(style.unwrap_or_else(|_| indicatif::ProgressStyle::default_spinner()))
    })
}
