//! The sandbox: what holds, what is refused, and that nothing is left behind. Every wait has an end.
#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "helpers of tests; a test that the system can't bear says so"
)]

use std::fs;
use std::future::Future;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake};
use std::thread;
use std::time::{Duration, Instant};

use ringfence::sandbox::{
    self, Command, FileError, FileKind, FileLimits, Files, FolderAccess, Launcher, Limit, Limits, Network,
    Outcome, Program, Protection, Root, SandboxError, Status, Symlinks, Write,
};

fn launcher() -> Launcher {
    Launcher::at(env!("CARGO_BIN_EXE_ringfence"))
}

fn program(name: &str) -> Program {
    Program::find(name, ["/usr/bin", "/bin"]).expect("the program is there")
}

fn shell(script: &str) -> Command {
    let limits = Limits { time: Duration::from_secs(10), ..Limits::default() };
    Command::shell(program("sh"), script).limits(limits).env("PATH", "/usr/bin:/bin")
}

#[track_caller]
fn run(command: &Command) -> Outcome {
    let outcome = sandbox::run(&launcher(), command).expect("the command is run");
    assert!(outcome.wall < Duration::from_secs(15), "{outcome:?}");
    outcome
}

/// Whether there is a Perl, through which a test asks the system directly.
fn has_perl() -> bool {
    let found = Program::find("perl", ["/usr/bin", "/bin"]).is_ok();
    if !found {
        println!("skipped: no Perl here");
    }
    found
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Whether the system gives what a test is about. Says so where it does not.
fn has(protection: Protection) -> bool {
    let level = run(&shell("true")).level;
    let held = level.holds(protection);
    if !held {
        println!("skipped: no {} here: {:?}", protection.name(), level.missing);
    }
    held
}

/// Waits up to three seconds for something to become so.
fn soon(so: impl Fn() -> bool) -> bool {
    let until = Instant::now() + Duration::from_secs(3);
    while Instant::now() < until {
        if so() {
            return true;
        }
        thread::sleep(Duration::from_millis(10));
    }
    so()
}

/// How many processes have this word among their arguments.
#[cfg(target_os = "linux")]
fn running(word: &str) -> usize {
    let processes = fs::read_dir("/proc").expect("processes can be listed").flatten();
    processes
        .filter(|process| {
            fs::read(process.path().join("cmdline"))
                .is_ok_and(|line| line.split(|&byte| byte == 0).any(|argument| argument == word.as_bytes()))
        })
        .count()
}

#[test]
fn an_outcome_tells_all() {
    let outcome = run(&shell("echo out; echo err >&2; exit 3"));
    assert_eq!(outcome.status, Status::Exited(3));
    assert_eq!((text(&outcome.stdout.bytes), text(&outcome.stderr.bytes)), ("out\n".into(), "err\n".into()));
    assert!(!outcome.stdout.is_truncated());
    assert!(outcome.peak_memory_bytes > 100_000 && outcome.cpu > Duration::ZERO, "{outcome:?}");
    println!("{:#?}", outcome.level);
    let holds = |protection| outcome.level.holds(protection);
    if holds(Protection::Namespaces) || (holds(Protection::Signals) && holds(Protection::Processes)) {
        assert!(holds(Protection::Tree), "{:?}", outcome.level);
    }
    assert_eq!(run(&shell("kill -KILL $$")).status, Status::Signalled(9));
    assert_eq!(run(&shell("kill -TERM $$")).status, Status::Signalled(15));
}

#[test]
fn arguments_are_not_read_by_a_shell() {
    let outcome = run(&Command::new(program("printf")).args(["%s|", "$(id)", "a b", "; ls", ""]));
    assert_eq!(text(&outcome.stdout.bytes), "$(id)|a b|; ls||");
}

#[test]
fn the_environment_is_empty_but_for_the_list() {
    assert_eq!(text(&run(&Command::new(program("env"))).stdout.bytes), "");
    let outcome = run(&Command::new(program("env")).env("ONE", "1").env("TWO", "zwei"));
    assert_eq!(text(&outcome.stdout.bytes), "ONE=1\nTWO=zwei\n");
}

#[test]
fn nothing_is_inherited() {
    // Standard input is at its end, and no file is open but the three.
    assert_eq!(text(&run(&shell("cat; echo end")).stdout.bytes), "end\n");
    #[cfg(target_os = "linux")]
    {
        // Left open for children by the host.
        let folder = tempfile::tempdir().expect("a folder");
        let left_open = fs::File::create(folder.path().join("left-open")).expect("a file");
        rustix::io::fcntl_setfd(&left_open, rustix::io::FdFlags::empty()).expect("it is left open");
        let files = Files::system().read("/proc");
        let outcome = run(&Command::new(program("ls")).args(["-l", "/proc/self/fd"]).files(files));
        let files = text(&outcome.stdout.bytes);
        // The fourth is the folder that is listed.
        assert_eq!(files.matches(" -> ").count(), 4, "{files}");
        assert!(files.contains("pipe:") && files.contains("/dev/null"), "{files}");
        assert!(!files.contains("socket:") && !files.contains("left-open"), "{files}");
    }
}

#[test]
fn the_working_folder_is_fresh_and_goes() {
    let outcome = run(&shell("pwd; ls -A; echo x > file; mkdir -p a/b; chmod 000 a/b a; ls"));
    let out = text(&outcome.stdout.bytes);
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.get(1..), Some(&["a", "file"][..]), "{outcome:?}");
    assert!(!Path::new(lines[0]).exists(), "{} is still there", lines[0]);
}

#[test]
fn a_given_folder_is_used() {
    let folder = tempfile::tempdir().expect("a folder");
    let outcome = run(&shell("echo x > made; pwd").folder(folder.path()));
    assert_eq!(text(&outcome.stdout.bytes).trim(), folder.path().to_str().expect("a name"));
    assert_eq!(fs::read(folder.path().join("made")).expect("it was written"), b"x\n");
    let link = folder.path().join("link");
    symlink("/", &link).expect("a link");
    let error = sandbox::run(&launcher(), &shell("pwd").folder(&link)).expect_err("a link is refused");
    assert!(matches!(error, SandboxError::Launch { .. }), "{error}");
}

#[test]
#[cfg(target_os = "linux")]
fn the_time_limit_ends_grandchildren_too() {
    let word = "86431.5";
    let limits = Limits { time: Duration::from_millis(700), ..Limits::default() };
    let script =
        format!("setsid sleep {word} & (sleep {word} &) ; nohup sleep {word} >/dev/null 2>&1 & sleep {word}");
    let outcome = run(&shell(&script).limits(limits));
    assert_eq!(outcome.status, Status::TimedOut);
    assert!(outcome.wall < Duration::from_secs(7), "{:?}", outcome.wall);
    assert_eq!(running(word), 0);
}

#[test]
#[cfg(target_os = "linux")]
fn what_it_leaves_behind_ends_with_it() {
    let word = "86432.5";
    let outcome = run(&shell(&format!("setsid sleep {word} & (setsid nohup sleep {word} &) ; echo done")));
    assert_eq!((outcome.status, text(&outcome.stdout.bytes)), (Status::Exited(0), "done\n".into()));
    assert!(outcome.wall < Duration::from_secs(7), "{:?}", outcome.wall);
    assert_eq!(running(word), 0);
}

#[test]
fn output_is_cut_and_never_stops_the_program() {
    let limits = Limits { output_bytes: 1000, time: Duration::from_secs(10), ..Limits::default() };
    let script = "head -c 3000000 /dev/zero; head -c 999 /dev/zero >&2; exit 5";
    let outcome = run(&shell(script).limits(limits));
    assert_eq!(outcome.status, Status::Exited(5));
    assert_eq!((outcome.stdout.bytes.len(), outcome.stdout.written), (1000, 3_000_000));
    assert!(outcome.stdout.is_truncated() && !outcome.stderr.is_truncated());
    // Without end, it ends with the time.
    let limits = Limits { output_bytes: 1000, time: Duration::from_millis(500), ..Limits::default() };
    let outcome = run(&shell("while :; do echo flood; done").limits(limits));
    assert_eq!((outcome.status, outcome.stdout.bytes.len()), (Status::TimedOut, 1000));
}

#[test]
#[cfg(target_os = "linux")]
fn a_fork_bomb_is_bounded() {
    if !has(Protection::Processes) {
        return;
    }
    let limits = Limits { processes: 24, time: Duration::from_secs(3), ..Limits::default() };
    // Each of at most 300 sleeps would last; none outlives the command.
    let word = "86433.5";
    let script = format!("i=0; while [ $i -lt 300 ]; do sleep {word} & i=$((i+1)); done; wait");
    let outcome = run(&shell(&script).limits(limits.clone()));
    // Refused by the kernel where a user's processes can be counted, else noticed and ended.
    assert!(!outcome.status.is_success(), "{outcome:?}");
    assert_eq!(running(word), 0);
    let bomb = "bomb() { bomb | bomb & }; bomb; sleep 1";
    let outcome = run(&shell(bomb).limits(limits));
    assert!(outcome.wall < Duration::from_secs(6), "{outcome:?}");
}

#[test]
#[cfg(target_os = "linux")]
fn memory_is_bounded() {
    if !has_perl() {
        return;
    }
    let limits = Limits { memory_bytes: 64 << 20, time: Duration::from_secs(10), ..Limits::default() };
    let hungry = "print length('x' x (300 << 20))";
    let outcome = run(&Command::new(program("perl")).args(["-e", hungry]).limits(limits.clone()));
    assert!(!outcome.status.is_success(), "{outcome:?}");
    assert!(outcome.peak_memory_bytes < 200 << 20, "{outcome:?}");
    // Five together, each of them within the limit.
    let each = "my $x = 'x' x (16 << 20); sleep 5";
    let script = format!("for i in 1 2 3 4 5 6; do perl -e \"{}\" & done; wait", each.replace('$', "\\$"));
    let outcome = run(&shell(&script).limits(limits));
    assert_eq!(outcome.status, Status::OverLimit(Limit::Memory), "{outcome:?}");
}

#[test]
fn files_and_processor_time_are_bounded() {
    let limits = Limits { file_bytes: 10_000, time: Duration::from_secs(10), ..Limits::default() };
    let outcome = run(&Command::new(program("dd"))
        .args(["if=/dev/zero", "of=big", "bs=1000", "count=100"])
        .limits(limits));
    assert_eq!(outcome.status, Status::OverLimit(Limit::FileSize), "{outcome:?}");
    let limits = Limits { cpu: Duration::from_secs(1), time: Duration::from_secs(10), ..Limits::default() };
    let outcome = run(&Command::new(program("sh")).args(["-c", "while :; do :; done"]).limits(limits));
    assert_eq!(outcome.status, Status::OverLimit(Limit::Cpu), "{outcome:?}");
    let limits = Limits { descriptors: 16, time: Duration::from_secs(10), ..Limits::default() };
    let script = "ulimit -n; ulimit -n 1000 2>/dev/null || echo kept";
    assert_eq!(text(&run(&shell(script).limits(limits)).stdout.bytes), "16\nkept\n");
}

#[test]
fn the_network_is_refused() {
    if !has(Protection::Network) || !has_perl() {
        return;
    }
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let connect = format!(
        "use Socket; socket(my $s, PF_INET, SOCK_STREAM, 0) or die qq(no socket: $!\\n); \
         connect($s, sockaddr_in({port}, inet_aton('127.0.0.1'))) or die qq(no connection: $!\\n); print 'connected'"
    );
    let perl = |code: &str| Command::new(program("perl")).args(["-e", code]);
    let outcome = run(&perl(&connect));
    assert_eq!(text(&outcome.stdout.bytes), "");
    assert!(text(&outcome.stderr.bytes).contains("no socket"), "{outcome:?}");
    let outcome = run(&perl(&connect).network(Network::Allow));
    assert_eq!(text(&outcome.stdout.bytes), "connected", "{outcome:?}");
    assert!(!outcome.level.holds(Protection::Network));
    // Other kinds, also local ones; with a network too, what other programs listen at locally.
    let local = "use Socket; socket(my $s, PF_UNIX, SOCK_STREAM, 0) ? print 'made' : print 'refused'";
    assert_eq!(text(&run(&perl(local)).stdout.bytes), "refused");
    assert_eq!(text(&run(&perl(local).network(Network::Allow)).stdout.bytes), "refused");
    let datagram = "use Socket; socket(my $s, PF_INET, SOCK_DGRAM, 0) ? print 'made' : print 'refused'";
    assert_eq!(text(&run(&perl(datagram)).stdout.bytes), "refused");
}

#[test]
fn files_outside_of_the_roots_can_not_be_opened() {
    if !has(Protection::Files) {
        return;
    }
    let outside = tempfile::tempdir().expect("a folder");
    let secret = outside.path().join("secret");
    fs::write(&secret, "secret").expect("a file");
    let path = secret.to_str().expect("a name");
    let reads = |files: Files| {
        let outcome = run(&Command::new(program("cat")).arg(path).files(files));
        (outcome.status.is_success(), text(&outcome.stdout.bytes))
    };
    assert_eq!(reads(Files::system()), (false, String::new()));
    assert_eq!(reads(Files::system().read(outside.path())), (true, "secret".into()));
    let script = format!(
        "echo x > {path}; : > {path}; rm {path}; mv {path} here; echo y > {path}.new; ln {path} here; cat /etc/shadow; ls /root /home; true"
    );
    for files in [Files::system(), Files::system().read(outside.path())] {
        let outcome = run(&shell(&script).files(files));
        assert_eq!(text(&outcome.stdout.bytes), "");
        assert_eq!(fs::read(&secret).expect("it is still there"), b"secret");
        assert_eq!(fs::read_dir(outside.path()).expect("a folder").count(), 1);
    }
    let outcome = run(&shell(&format!("echo x > {path}")).files(Files::system().write(outside.path())));
    assert!(outcome.status.is_success(), "{outcome:?}");
    // What it made it does not run, unless the folder was given for that.
    let script = "cp /bin/echo mine && ./mine ran";
    assert_eq!(text(&run(&shell(script)).stdout.bytes), "");
    let files = Files::system().write(outside.path()).execute(outside.path());
    let outcome = run(&shell(script).folder(outside.path()).files(files));
    assert_eq!(text(&outcome.stdout.bytes), "ran\n", "{outcome:?}");
    let mut files = Files::system();
    files.folder = FolderAccess::Read;
    assert!(!run(&shell("echo x > file").files(files)).status.is_success());
    for root in ["/not/there", "."] {
        let error = sandbox::run(&launcher(), &shell("true").files(Files::system().read(root)));
        assert!(matches!(error, Err(SandboxError::Launch { .. })), "{error:?}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn dangerous_system_calls_are_refused() {
    if !has(Protection::SystemCalls) {
        return;
    }
    for script in
        ["unshare -U true", "unshare -n true", "unshare -m true", "mount -t tmpfs none .", "mount --bind / ."]
    {
        let outcome = run(&shell(script));
        assert!(matches!(outcome.status, Status::Exited(1..)), "{script}: {outcome:?}");
        let said = text(&outcome.stderr.bytes);
        let refusals = ["not permitted", "denied", "superuser"];
        assert!(refusals.iter().any(|refusal| said.contains(refusal)), "{script}: {said}");
    }
    if !cfg!(target_arch = "x86_64") || !has_perl() {
        return;
    }
    for (call, error) in [
        // `ptrace`, which a process may otherwise ask for itself; the same by its number of x32.
        ("101, 0, 0, 0, 0", "1"),
        ("0x40000000 | 101, 0, 0, 0, 0", "1"),
        ("0x40000000 | 521, 0, 0, 0, 0", "1"),
        // `clone` with a user namespace; `clone3`, which is said not to be there.
        ("56, 0x10000011, 0, 0, 0, 0", "1"),
        ("435, 0, 0", "38"),
        // `keyctl`, `bpf`, `io_uring_setup`, `userfaultfd`, `perf_event_open`, `process_vm_readv`, `pidfd_getfd`, `setns`.
        ("250, 0, -3, 0", "1"),
        ("321, 0, 0, 0", "1"),
        ("425, 8, 0", "1"),
        ("323, 1", "1"),
        ("298, 0, 0, -1, -1, 0", "1"),
        ("310, $$, 0, 0, 0, 0, 0", "1"),
        ("438, 0, 0, 0", "1"),
        ("308, 0, 0", "1"),
        // Typing into a terminal.
        ("16, 0, 0x5412, 0", "1"),
    ] {
        let code = format!("my $done = syscall({call}); print $done == -1 ? $! + 0 : 'done'");
        let outcome = run(&Command::new(program("perl")).args(["-e", &code]));
        assert_eq!(text(&outcome.stdout.bytes), error, "{call}: {outcome:?}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn root_has_no_powers_there() {
    if !has(Protection::NoCapabilities) {
        return;
    }
    let files = Files::system().read("/proc");
    let status = run(&Command::new(program("cat")).arg("/proc/self/status").files(files));
    let status = text(&status.stdout.bytes);
    let of = |key: &str| {
        let line = status.lines().find(|line| line.starts_with(key)).unwrap_or_default();
        line.split_whitespace().last().unwrap_or_default().to_owned()
    };
    for key in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
        assert_eq!(of(key), "0000000000000000", "{key}");
    }
    assert_eq!((of("NoNewPrivs:"), of("Seccomp:")), ("1".into(), "2".into()));
}

#[test]
#[cfg(target_os = "linux")]
fn other_processes_can_not_be_signalled() {
    let mut host = std::process::Command::new("/bin/sleep").arg("60").spawn().expect("a process");
    let outcome = run(&shell(&format!("kill -9 {}; kill -9 -1; kill -9 1; echo alive", host.id())));
    let alive = matches!(host.try_wait(), Ok(None));
    let _ = host.kill();
    let _ = host.wait();
    if outcome.level.holds(Protection::Signals) || outcome.level.holds(Protection::Namespaces) {
        assert!(alive, "{outcome:?}");
    } else {
        println!("skipped: neither signals nor namespaces here: {:?}", outcome.level.missing);
    }
}

#[test]
fn a_program_that_changed_is_not_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tool");
    let put = |content: &str| {
        fs::write(&path, content).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a mode");
    };
    put("#!/bin/sh\necho one \"$@\"\n");
    let pinned = Program::pin(&path).expect("a program");
    let with_digest = pinned.clone().with_digest().expect("a digest");
    assert_eq!(text(&run(&Command::new(pinned.clone()).arg("more")).stdout.bytes), "one more\n");
    assert_eq!(text(&run(&Command::new(with_digest.clone())).stdout.bytes), "one\n");
    thread::sleep(Duration::from_millis(20));
    put("#!/bin/sh\necho two \"$@\"\n");
    for changed in [&pinned, &with_digest] {
        let error = sandbox::run(&launcher(), &Command::new(changed.clone())).expect_err("it changed");
        assert!(matches!(error, SandboxError::Changed { .. }), "{error}");
    }
    let pinned = Program::pin(&path).expect("a program");
    fs::remove_file(&path).expect("removed");
    symlink("/bin/true", &path).expect("a link");
    assert!(sandbox::run(&launcher(), &Command::new(pinned)).is_err());
}

#[test]
fn only_programs_can_be_pinned() {
    assert!(
        Program::pin("sh").is_err() && Program::pin("/etc/passwd").is_err() && Program::pin("/etc").is_err()
    );
    for name in ["../bin/sh", "/bin/sh", "", ".", "..", "sh/"] {
        assert!(Program::find(name, ["/bin", "/usr/bin"]).is_err(), "{name}");
    }
    assert!(Program::find("no-such-program", ["/bin"]).is_err());
}

#[test]
fn what_is_required_and_not_there_refuses() {
    let folder = tempfile::tempdir().expect("a folder");
    // No system refuses a network that is allowed.
    let command = shell("echo ran > ran").folder(folder.path()).network(Network::Allow);
    let error = sandbox::run(&launcher(), &command.require([Protection::Network])).expect_err("refused");
    assert!(matches!(error, SandboxError::Missing { .. }), "{error}");
    assert!(error.to_string().contains("network"), "{error}");
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
    let held = run(&shell("true")).level.held;
    assert!(run(&shell("true").require(held)).status.is_success());
}

#[test]
fn a_host_without_a_launcher_is_told_so() {
    let error = sandbox::run(&Launcher::at("/bin/true"), &shell("true")).expect_err("no launcher");
    assert!(matches!(error, SandboxError::NoLauncher), "{error}");
    assert!(sandbox::run(&Launcher::at("/not/there"), &shell("true")).is_err());
    let limits = Limits { time: Duration::from_millis(300), ..Limits::default() };
    let start = Instant::now();
    let error = sandbox::run(&Launcher::at("/usr/bin/yes"), &shell("true").limits(limits));
    assert!(error.is_err() && start.elapsed() < Duration::from_secs(12), "{error:?}");
}

#[test]
#[cfg(target_os = "linux")]
fn it_can_be_cancelled_and_dropped() {
    let start = Instant::now();
    let outcome = sandbox::run_until(&launcher(), &shell("sleep 9"), || start.elapsed().as_millis() > 200);
    let outcome = outcome.expect("an outcome");
    assert_eq!(outcome.status, Status::Cancelled);
    assert!(outcome.wall < Duration::from_secs(7), "{:?}", outcome.wall);
    let word = "86434.5";
    let running_one = sandbox::start(&launcher(), shell(&format!("sleep {word}"))).expect("it is started");
    assert!(soon(|| running(word) > 0));
    drop(running_one);
    assert!(soon(|| running(word) == 0));
}

#[test]
#[cfg(target_os = "linux")]
fn it_ends_when_the_host_panics() {
    let word = "86435.5";
    let flag = Arc::new(AtomicBool::new(false));
    let theirs = Arc::clone(&flag);
    let host = thread::spawn(move || {
        let asked = || {
            assert!(!theirs.load(Ordering::Relaxed), "the host panics");
            false
        };
        let _ =
            sandbox::run_until(&launcher(), &shell(&format!("setsid sleep {word} & sleep {word}")), asked);
    });
    assert!(soon(|| running(word) > 1));
    flag.store(true, Ordering::Relaxed);
    assert!(host.join().is_err());
    assert!(soon(|| running(word) == 0));
}

#[test]
#[cfg(target_os = "linux")]
fn it_ends_when_the_host_is_killed() {
    const HOST: &str = "RINGFENCE_TEST_HOST";
    let word = "86436.5";
    if std::env::var_os(HOST).is_some() {
        let _ = sandbox::run(&launcher(), &shell(&format!("setsid sleep {word} & sleep {word}")));
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let mut host = std::process::Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "it_ends_when_the_host_is_killed"])
        .env(HOST, "1")
        .env("TMPDIR", folder.path())
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("a host");
    let started = soon(|| running(word) > 1);
    host.kill().expect("it is killed");
    let _ = host.wait();
    assert!(started);
    assert!(soon(|| running(word) == 0));
    assert!(soon(|| fs::read_dir(folder.path()).is_ok_and(|left| left.count() == 0)), "its folder is left");
}

#[test]
fn it_is_a_future() {
    struct Unpark(thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(thread::current())).into();
    let mut context = Context::from_waker(&waker);
    let mut running = pin!(sandbox::start(&launcher(), shell("echo later")).expect("it is started"));
    let until = Instant::now() + Duration::from_secs(10);
    let outcome = loop {
        match running.as_mut().poll(&mut context) {
            Poll::Ready(outcome) => break outcome.expect("an outcome"),
            Poll::Pending => thread::park_timeout(Duration::from_secs(1)),
        }
        assert!(Instant::now() < until);
    };
    assert_eq!(text(&outcome.stdout.bytes), "later\n");
    let waited = sandbox::start(&launcher(), shell("echo waited")).expect("it is started").wait();
    assert_eq!(text(&waited.expect("an outcome").stdout.bytes), "waited\n");
}

#[test]
fn long_arguments_arrive() {
    let long = "x".repeat(120_000);
    let outcome = run(&Command::new(program("printf")).args(["%s", &long]));
    assert_eq!(outcome.stdout.bytes.len(), 120_000);
    let many = vec![long; 12];
    let outcome = run(&Command::new(program("true")).args(&many));
    assert!(outcome.status.is_success(), "{outcome:?}");
    let too_long = "x".repeat(200_000);
    assert!(sandbox::run(&launcher(), &Command::new(program("true")).arg(&too_long)).is_err());
}

#[test]
fn files_are_read_written_listed_and_deleted() {
    let folder = tempfile::tempdir().expect("a folder");
    for symlinks in [Symlinks::Refuse, Symlinks::Within] {
        let root = Root::open(folder.path(), symlinks).expect("a root");
        root.create_folder("a").expect("made");
        root.write("a/one", b"1", Write::Create).expect("written");
        assert!(root.write("a/one", b"2", Write::Create).is_err());
        assert!(root.write("a/two", b"2", Write::Replace).is_err());
        fs::set_permissions(folder.path().join("a/one"), fs::Permissions::from_mode(0o4750)).expect("a mode");
        root.write("./a/one", b"22", Write::CreateOrReplace).expect("replaced");
        let mode = fs::metadata(folder.path().join("a/one")).expect("there").permissions().mode();
        assert_eq!(mode & 0o7777, 0o750);
        assert_eq!(root.read("a/one").expect("read"), b"22");
        assert_eq!(root.kind("a").expect("there"), FileKind::Folder);
        let listing = root.list("a").expect("listed");
        let entries: Vec<_> =
            listing.entries.iter().map(|entry| (entry.name.to_str(), entry.kind, entry.bytes)).collect();
        assert_eq!(entries, [(Some("one"), FileKind::File, 2)]);
        assert_eq!(root.list(".").expect("listed").entries.len(), 1);
        assert!(root.delete("a").is_err(), "not empty");
        assert!(
            root.read("a").is_err()
                && root.list("a/one").is_err()
                && root.write("a", b"", Write::Replace).is_err()
        );
        root.delete("a/one").expect("deleted");
        root.delete("a").expect("deleted");
        assert!(root.read("a/one").is_err());
    }
}

#[test]
fn paths_that_lead_out_are_refused() {
    let outer = tempfile::tempdir().expect("a folder");
    fs::write(outer.path().join("secret"), "secret").expect("a file");
    let inner = outer.path().join("root");
    fs::create_dir_all(inner.join("d")).expect("a folder");
    fs::write(inner.join("d/file"), "mine").expect("a file");
    for (name, to) in [
        ("up", ".."),
        ("abs", "/"),
        ("file", "../secret"),
        ("in", "d"),
        ("loop", "loop"),
        ("proc", "/proc/self/root"),
    ] {
        symlink(to, inner.join(name)).expect("a link");
    }
    for symlinks in [Symlinks::Refuse, Symlinks::Within] {
        let root = Root::open(&inner, symlinks).expect("a root");
        for path in [
            "",
            "..",
            "../secret",
            "d/../../secret",
            "/etc/passwd",
            "d/..",
            "up/secret",
            "abs/etc/passwd",
            "file",
            "loop",
            "a\0b",
            "proc/etc/passwd",
        ] {
            assert!(root.read(path).is_err(), "{symlinks:?} {path:?} is read");
            assert!(
                root.write(path, b"x", Write::CreateOrReplace).is_err(),
                "{symlinks:?} {path:?} is written"
            );
            assert!(root.list(path).is_err(), "{symlinks:?} {path:?} is listed");
        }
        for path in ["up/new", "abs/tmp/ringfence-new", "../new", "up/secret", "/tmp/ringfence-new"] {
            assert!(root.write(path, b"x", Write::Create).is_err(), "{path}");
            assert!(root.create_folder(path).is_err() && root.delete(path).is_err(), "{path}");
        }
        assert!(matches!(root.read("up/secret"), Err(FileError::Link { .. } | FileError::Outside { .. })));
    }
    let refuse = Root::open(&inner, Symlinks::Refuse).expect("a root");
    assert!(matches!(refuse.read("in/file"), Err(FileError::Link { .. })));
    #[cfg(target_os = "linux")]
    {
        let within = Root::open(&inner, Symlinks::Within).expect("a root");
        assert_eq!(within.read("in/file").expect("read"), b"mine");
        within.write("in/new", b"x", Write::Create).expect("written");
        assert_eq!(refuse.read("d/new").expect("read"), b"x");
    }
    // The link goes, and not what it leads to.
    refuse.delete("file").expect("deleted");
    assert_eq!(fs::read(outer.path().join("secret")).expect("there"), b"secret");
    assert_eq!(fs::read_dir(outer.path()).expect("a folder").count(), 2);
}

#[test]
fn special_files_are_never_opened() {
    let folder = tempfile::tempdir().expect("a folder");
    let made = std::process::Command::new("mkfifo").arg(folder.path().join("pipe")).status();
    assert!(made.is_ok_and(|status| status.success()));
    let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("socket")).expect("a socket");
    for symlinks in [Symlinks::Refuse, Symlinks::Within] {
        let root = Root::open(folder.path(), symlinks).expect("a root");
        for name in ["pipe", "socket"] {
            assert!(matches!(root.read(name), Err(FileError::Special { .. })), "{name}");
            assert!(
                matches!(root.write(name, b"x", Write::CreateOrReplace), Err(FileError::Special { .. })),
                "{name}"
            );
            assert!(matches!(root.delete(name), Err(FileError::Special { .. })), "{name}");
            assert_eq!(root.kind(name).expect("there"), FileKind::Special);
        }
    }
    let devices = Root::open("/dev", Symlinks::Refuse).expect("a root");
    assert!(matches!(devices.read("null"), Err(FileError::Special { .. })));
}

#[test]
fn sizes_are_limited() {
    let folder = tempfile::tempdir().expect("a folder");
    let limits = FileLimits { read_bytes: 10, write_bytes: 20, entries: 3 };
    let root = Root::open(folder.path(), Symlinks::Refuse).expect("a root").with_limits(limits);
    root.write("a", &[b'x'; 11], Write::Create).expect("written");
    assert!(matches!(root.read("a"), Err(FileError::TooLong { limit: 10, .. })));
    assert!(matches!(root.write("b", &[b'x'; 21], Write::Create), Err(FileError::TooLong { limit: 20, .. })));
    root.write("a", &[b'x'; 10], Write::Replace).expect("written");
    assert_eq!(root.read("a").expect("read").len(), 10);
    for name in ["b", "c"] {
        root.write(name, b"", Write::Create).expect("written");
    }
    assert!(!root.list(".").expect("listed").truncated);
    root.write("d", b"", Write::Create).expect("written");
    let listing = root.list(".").expect("listed");
    assert_eq!((listing.entries.len(), listing.truncated), (3, true));
}

/// A folder, a link to one outside, and a link to a file outside take each other's places as fast as they can.
#[test]
fn no_race_leads_outside() {
    const SWAPS: usize = 100_000;
    let outer = tempfile::tempdir().expect("a folder");
    let (inner, outside) = (outer.path().join("root"), outer.path().join("outside"));
    for folder in [&inner, &outside] {
        fs::create_dir_all(folder).expect("a folder");
    }
    fs::write(outside.join("file"), "outside").expect("a file");
    fs::create_dir(inner.join("place")).expect("a folder");
    fs::write(inner.join("place/file"), "inside").expect("a file");
    fs::write(inner.join("name"), "inside").expect("a file");
    symlink(&outside, inner.join("link")).expect("a link");
    symlink("../outside/file", inner.join("other")).expect("a link");

    let over = AtomicBool::new(false);
    let (mut reads, mut refusals) = (0_u64, 0_u64);
    thread::scope(|scope| {
        scope.spawn(|| {
            let at = |name: &str| inner.join(name);
            let exchange = |one: &str, other: &str| {
                fs::rename(at(one), at("aside"))?;
                fs::rename(at(other), at(one))?;
                fs::rename(at("aside"), at(other))
            };
            for swap in 0..SWAPS {
                let (one, other) = if swap % 2 == 0 { ("place", "link") } else { ("name", "other") };
                // The writer may have put a file where the link was.
                let _ = exchange(one, other);
            }
            over.store(true, Ordering::Relaxed);
        });
        let until = Instant::now() + Duration::from_secs(120);
        let roots = [Symlinks::Refuse, Symlinks::Within].map(|way| Root::open(&inner, way).expect("a root"));
        while !over.load(Ordering::Relaxed) && Instant::now() < until {
            for root in &roots {
                for path in ["place/file", "link/file", "name", "other"] {
                    match root.read(path) {
                        Ok(bytes) => {
                            assert_ne!(text(&bytes), "outside", "{path}");
                            reads += 1;
                        }
                        Err(_) => refusals += 1,
                    }
                }
                for path in ["place/file", "place/new", "link/new", "link/file"] {
                    let _ = root.write(path, b"inside", Write::CreateOrReplace);
                }
                let _ =
                    (root.create_folder("link/folder"), root.delete("link/file"), root.delete("link/new"));
                if let Ok(listing) = root.list("link") {
                    assert!(listing.entries.iter().all(|entry| entry.name != "outside-only"));
                }
                assert_eq!(fs::read(outside.join("file")).expect("it is there"), b"outside");
                assert_eq!(fs::read_dir(&outside).expect("a folder").count(), 1);
            }
        }
        assert!(over.load(Ordering::Relaxed), "{SWAPS} swaps take less than two minutes");
    });
    println!("{SWAPS} swaps, {reads} reads, {refusals} refusals");
    assert!(reads > 0 && refusals > 0);
}
