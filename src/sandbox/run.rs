//! The host's side: start the launcher, gather what the program writes, keep the time.

use std::future::Future;
use std::io::{self, Read};
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group};
use serde::{Deserialize, Serialize};

use super::command::Command;
use super::confine::Level;
use super::launch::{Launcher, timespec};
use super::temporary::Temporary;
use super::wire::{self, Frame, Spec};

/// How a command went.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Outcome {
    /// How it ended.
    pub status: Status,
    /// What it wrote to standard output.
    pub stdout: Captured,
    /// What it wrote to standard error.
    pub stderr: Captured,
    /// From start to end by the clock, the launcher's few milliseconds included.
    pub wall: Duration,
    /// Processor time of all its processes and of the launcher's.
    pub cpu: Duration,
    /// The most memory that one of its processes held, at least the launcher's few megabytes.
    pub peak_memory_bytes: u64,
    /// Which protections it ran under.
    pub level: Level,
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Status {
    /// By itself, with this code.
    Exited(i32),
    /// By this signal.
    Signalled(i32),
    /// It ran longer than it may, and was killed.
    TimedOut,
    /// The caller wanted no more of it, and it was killed.
    Cancelled,
    /// It used more than it may, and was killed.
    OverLimit(Limit),
}

/// What a program may have used too much of. Where the system refuses the excess instead (memory asked for, processes where
/// they can be counted, descriptors), the program sees an error and ends as it likes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Limit {
    /// Processor time of one process.
    Cpu,
    /// Memory of one process or of all.
    Memory,
    /// Bytes of one file.
    FileSize,
    /// Processes at one time.
    Processes,
}

/// Output, as much of it as was to be kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Captured {
    /// The first bytes.
    pub bytes: Vec<u8>,
    /// How many there were in all.
    pub written: u64,
}

impl Captured {
    /// Whether bytes were dropped.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        self.written > self.bytes.len() as u64
    }

    fn add(&mut self, bytes: &[u8], keep: usize) {
        self.written += bytes.len() as u64;
        let room = keep.saturating_sub(self.bytes.len()).min(bytes.len());
        self.bytes.extend_from_slice(bytes.get(..room).unwrap_or_default());
    }
}

impl Outcome {
    /// What it wrote, errors behind. A cut is told at the end.
    #[must_use]
    pub fn output(&self) -> Vec<u8> {
        let mut bytes = [&*self.stdout.bytes, &*self.stderr.bytes].concat();
        if self.stdout.is_truncated() || self.stderr.is_truncated() {
            bytes.extend_from_slice(b"\n[output cut]\n");
        }
        bytes
    }
}

impl Status {
    /// Whether it ended by itself with code 0.
    #[must_use]
    pub fn is_success(self) -> bool {
        self == Self::Exited(0)
    }
}

/// Why a command was not run, or can't be told about.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// No program is there that can be run.
    #[error("`{}` can't be run", path.display())]
    Program {
        /// As asked for.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The program is no longer the one that was pinned. Nothing was run.
    #[error("`{}` changed since it was decided about", path.display())]
    Changed {
        /// Where it was.
        path: PathBuf,
    },
    /// Protections that the command requires do not hold. Nothing was run.
    #[error("required and not there: {}", missing(level, required))]
    Missing {
        /// What was required.
        required: Vec<super::Protection>,
        /// What holds, and why the rest does not.
        level: Level,
    },
    /// The launcher could not do its part. Nothing was run, unless it could not end what ran.
    #[error("the sandbox can't {doing}: {why}")]
    Launch {
        /// What it was at.
        doing: String,
        /// What the system said.
        why: String,
    },
    /// The program that was started as launcher is none.
    #[error("the launcher did not answer: its `main` must begin with `ringfence::sandbox::launcher()`")]
    NoLauncher,
    /// The launcher ended without a word on whether everything had ended.
    #[error("the launcher was lost; what it ran may still run")]
    Lost,
    /// The system refused something to the host.
    #[error("can't {doing}")]
    System {
        /// What was tried.
        doing: &'static str,
        /// What it said.
        source: io::Error,
    },
}

fn missing(level: &Level, required: &[super::Protection]) -> String {
    let each = required.iter().filter(|&&protection| !level.holds(protection)).map(|&protection| {
        let why = level.missing.iter().find(|missing| missing.protection == protection);
        match why {
            Some(missing) => format!("{} ({})", protection.name(), missing.why),
            None => format!("{} (not asked for)", protection.name()),
        }
    });
    each.collect::<Vec<_>>().join(", ")
}

fn system<E: Into<io::Error>>(doing: &'static str) -> impl FnOnce(E) -> SandboxError {
    move |source| SandboxError::System { doing, source: source.into() }
}

/// Runs a command to its end, which comes when its time is over at the latest.
///
/// # Errors
/// When nothing was run, or it is not known how that ended. A program that fails is no error.
pub fn run(launcher: &Launcher, command: &Command) -> Result<Outcome, SandboxError> {
    run_with(launcher, command, None)
}

/// Runs a command until it ends or `cancelled` says so, which is asked 50 times a second.
///
/// # Errors
/// As [`run()`].
pub fn run_until(
    launcher: &Launcher,
    command: &Command,
    mut cancelled: impl FnMut() -> bool,
) -> Result<Outcome, SandboxError> {
    run_with(launcher, command, Some(&mut cancelled))
}

type Cancelled<'a> = Option<&'a mut dyn FnMut() -> bool>;

fn run_with(
    launcher: &Launcher,
    command: &Command,
    mut cancelled: Cancelled<'_>,
) -> Result<Outcome, SandboxError> {
    // Removed at the end.
    let fresh;
    let folder = match &command.folder {
        // The launcher is started in another one.
        Some(given) => std::path::absolute(given).map_err(system("find the working folder"))?,
        None => {
            fresh = Temporary::new().map_err(system("make a working folder"))?;
            fresh.path().to_owned()
        }
    };
    let mut spec = Spec {
        program: command.program.clone(),
        arguments: command.arguments.clone(),
        environment: command.environment.clone(),
        folder: folder.into(),
        fresh: command.folder.is_none(),
        files: command.files.clone(),
        network: command.network,
        limits: command.limits.clone(),
        required: command.required.iter().copied().collect(),
        namespaces: true,
    };
    loop {
        let mut run = Run::start(launcher, &spec)?;
        run.follow(&mut cancelled)?;
        match run.outcome(&spec) {
            Ok(None) => spec.namespaces = false,
            Ok(Some(outcome)) => return Ok(outcome),
            Err(error) => return Err(error),
        }
    }
}

/// How often the caller is asked whether to go on.
const ASK: Duration = Duration::from_millis(20);

/// How long the launcher may take to end everything, before it is killed.
const END: Duration = Duration::from_secs(4);

/// How long output may stay open behind the end of everything that is known. What was written is there at once.
const DRAIN: Duration = Duration::from_millis(200);

/// A command under way. Going out of use, it ends it.
struct Run {
    launcher: Child,
    socket: UnixStream,
    stdout: Pipe,
    stderr: Pipe,
    started: Instant,
    deadline: Instant,
    /// Why the host ended it, and when the launcher must be done.
    ended: Option<(Status, Instant)>,
    received: Vec<u8>,
    frames: Vec<Frame>,
}

/// One of the program's outputs. Without the pipe, it is at its end.
struct Pipe {
    from: Option<OwnedFd>,
    captured: Captured,
    keep: usize,
}

impl Run {
    fn start(launcher: &Launcher, spec: &Spec) -> Result<Self, SandboxError> {
        let started = Instant::now();
        let message = wire::encode(spec).map_err(system("write the command down"))?;
        let (socket, theirs) = UnixStream::pair().map_err(system("make a socket"))?;
        let mut child = launcher
            .process()
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A terminal's signals are for the host.
            .process_group(0)
            .spawn()
            .map_err(system("start the launcher"))?;
        let pipe = |from: Option<OwnedFd>| Pipe {
            from,
            captured: Captured::default(),
            keep: spec.limits.output_bytes,
        };
        let stdout = pipe(child.stdout.take().map(OwnedFd::from));
        let stderr = pipe(child.stderr.take().map(OwnedFd::from));
        let deadline = started.checked_add(spec.limits.time);
        let deadline = deadline.unwrap_or_else(|| started + Duration::from_secs(u32::MAX.into()));
        let mut run = Self {
            launcher: child,
            socket,
            stdout,
            stderr,
            started,
            deadline,
            ended: None,
            received: Vec::new(),
            frames: Vec::new(),
        };
        run.send(&message).map_err(system("hand the command over"))?;
        for from in [run.stdout.from.as_ref(), run.stderr.from.as_ref()].into_iter().flatten() {
            rustix::io::ioctl_fionbio(from, true).map_err(system("read without waiting"))?;
        }
        Ok(run)
    }

    /// Once for each process of the launcher.
    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        let time = self.deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        self.socket.set_write_timeout(Some(time))?;
        for _ in 0..3 {
            match io::Write::write_all(&mut self.socket, message) {
                Ok(()) => {}
                // What is wrong is told in a frame, or by the end of the socket, or by the deadline.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => break,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        self.socket.set_nonblocking(true)
    }

    /// Reads all that comes until the launcher is gone and with it all that it started.
    fn follow(&mut self, cancelled: &mut Cancelled<'_>) -> Result<(), SandboxError> {
        loop {
            let now = Instant::now();
            if self.ended.is_none() {
                let status = if now >= self.deadline {
                    Some(Status::TimedOut)
                } else if cancelled.as_mut().is_some_and(|cancelled| cancelled()) {
                    Some(Status::Cancelled)
                } else {
                    None
                };
                if let Some(status) = status {
                    self.ended = Some((status, now + END));
                    // The launcher's sign to end everything.
                    self.socket.shutdown(Shutdown::Write).map_err(system("end the command"))?;
                }
            }
            let until = match self.ended {
                Some((_, until)) if now >= until => return Err(SandboxError::Lost),
                Some((_, until)) => until,
                None => self.deadline,
            };
            let mut pause = until.saturating_duration_since(now);
            if cancelled.is_some() {
                pause = pause.min(ASK);
            }
            self.wait(pause).map_err(system("wait for the command"))?;
            self.stdout.read();
            self.stderr.read();
            if self.receive().map_err(system("understand the launcher"))? {
                break;
            }
        }
        let until = Instant::now() + DRAIN;
        while self.stdout.from.is_some() || self.stderr.from.is_some() {
            let pause = until.saturating_duration_since(Instant::now());
            if pause.is_zero() {
                break;
            }
            self.wait(pause).map_err(system("wait for the output"))?;
            self.stdout.read();
            self.stderr.read();
        }
        Ok(())
    }

    fn wait(&self, pause: Duration) -> io::Result<()> {
        let outputs = [self.stdout.from.as_ref(), self.stderr.from.as_ref()];
        let mut events: Vec<_> = outputs
            .into_iter()
            .flatten()
            .map(|from| PollFd::from_borrowed_fd(from.as_fd(), PollFlags::IN))
            .collect();
        // Behind its end, the socket is always ready.
        let at_end = self.frames.iter().any(|frame| matches!(frame, Frame::Used { .. }));
        if !at_end || events.is_empty() {
            events.push(PollFd::new(&self.socket, PollFlags::IN));
        }
        match poll(&mut events, Some(&timespec(pause))) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes the frames that have come. True at the end.
    fn receive(&mut self) -> io::Result<bool> {
        let mut buffer = [0; 4096];
        let at_end = loop {
            match self.socket.read(&mut buffer) {
                Ok(0) => break true,
                Ok(read) => self.received.extend_from_slice(buffer.get(..read).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The launcher was killed with what we sent unread.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => break true,
                Err(error) => return Err(error),
            }
        };
        while let Some(frame) = wire::take(&mut self.received)? {
            self.frames.push(frame);
        }
        Ok(at_end)
    }

    /// What came of it; none if it is to be tried again without namespaces.
    fn outcome(mut self, spec: &Spec) -> Result<Option<Outcome>, SandboxError> {
        let wall = self.started.elapsed();
        let answered = !self.frames.is_empty();
        let (mut level, mut ended, mut killed, mut used) = (None, None, None, None);
        for frame in std::mem::take(&mut self.frames) {
            match frame {
                Frame::NoNamespaces(_) => return Ok(None),
                Frame::Changed => {
                    return Err(SandboxError::Changed { path: spec.program.path().to_owned() });
                }
                Frame::Refused(level) => {
                    return Err(SandboxError::Missing { required: spec.required.clone(), level });
                }
                Frame::Failed { doing, why, .. } => return Err(SandboxError::Launch { doing, why }),
                Frame::Level(told) => level = Some(told),
                Frame::Ended(status) => ended = Some(status),
                Frame::Killed(limit) => killed = Some(Status::OverLimit(limit)),
                Frame::Used { cpu, memory_bytes } => used = Some((cpu, memory_bytes)),
            }
        }
        let Some((cpu, peak_memory_bytes)) = used else {
            return Err(if answered { SandboxError::Lost } else { SandboxError::NoLauncher });
        };
        // A program that ended by itself just before it would have been killed has ended by itself.
        let by_host = self.ended.map(|(status, _)| status);
        let status = ended.or(killed).or(by_host).ok_or(SandboxError::Lost)?;
        Ok(Some(Outcome {
            status,
            stdout: std::mem::take(&mut self.stdout.captured),
            stderr: std::mem::take(&mut self.stderr.captured),
            wall,
            cpu,
            peak_memory_bytes,
            level: level.unwrap_or_default(),
        }))
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // Closed or not, the launcher is to end everything; it is killed only if it does not.
        let _ = self.socket.shutdown(Shutdown::Both);
        let until = Instant::now() + END;
        while matches!(self.launcher.try_wait(), Ok(None)) {
            if Instant::now() >= until {
                let _ = kill_process_group(Pid::from_child(&self.launcher), Signal::KILL);
                let _ = self.launcher.wait();
                break;
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Pipe {
    /// Reads all that is there, and drops what is beyond the limit: a full pipe would stop the program.
    fn read(&mut self) {
        let mut buffer = [0; 16 << 10];
        // A program that writes without end must not keep the host from looking at the clock.
        for _ in 0..64 {
            let Some(from) = &self.from else { return };
            match rustix::io::read(from, &mut buffer) {
                Ok(0) => self.from = None,
                Ok(read) => self.captured.add(buffer.get(..read).unwrap_or_default(), self.keep),
                Err(Errno::AGAIN) => return,
                Err(Errno::INTR) => {}
                Err(_) => self.from = None,
            }
        }
    }
}

/// A command that runs on a thread of its own: a future of any runtime, or to be waited for. Dropped, it is ended.
#[derive(Debug)]
#[must_use = "a command that nobody waits for is ended"]
pub struct Running {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    cancelled: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    result: Option<Result<Outcome, SandboxError>>,
    waker: Option<Waker>,
}

/// Starts a command and returns at once.
///
/// # Errors
/// When no thread can be started.
pub fn start(launcher: &Launcher, command: Command) -> Result<Running, SandboxError> {
    let shared = Arc::new(Shared::default());
    let (launcher, theirs) = (launcher.clone(), Arc::clone(&shared));
    let work = move || {
        let result = run_until(&launcher, &command, || theirs.cancelled.load(Ordering::Relaxed));
        let mut state = theirs.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.result = Some(result);
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    };
    let thread = thread::Builder::new().name("sandbox".to_owned()).spawn(work);
    Ok(Running { shared, thread: Some(thread.map_err(system("start a thread"))?) })
}

impl Running {
    /// Ends the command; the outcome still comes, with [`Status::Cancelled`] unless it had ended.
    pub fn cancel(&self) {
        self.shared.cancelled.store(true, Ordering::Relaxed);
    }

    /// Waits for the outcome on this thread.
    ///
    /// # Errors
    /// As [`run()`].
    pub fn wait(mut self) -> Result<Outcome, SandboxError> {
        if let Some(thread) = self.thread.take() {
            // A panic there left no result.
            let _ = thread.join();
        }
        let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.result.take().unwrap_or(Err(SandboxError::Lost))
    }
}

impl Future for Running {
    type Output = Result<Outcome, SandboxError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        match state.result.take() {
            Some(result) => Poll::Ready(result),
            None if self.thread.as_ref().is_none_or(JoinHandle::is_finished) => {
                Poll::Ready(Err(SandboxError::Lost))
            }
            None => {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.cancel();
    }
}
