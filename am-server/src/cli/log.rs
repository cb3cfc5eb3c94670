//! Log lines to standard error, written by a thread of their own.
//!
//! There is a line for every call. Were each written by the thread that answers, calls would queue for one file and pay
//! a system call each; were the writing thread woken for each, they would pay for that. Here lines are gathered for a
//! moment and written together. Whoever logs never waits: when nobody takes the log, lines are dropped, and as soon as
//! somebody does, a line says how many. What a process that is killed logged in its last moment may be missing.
//!
//! One event is one line, and every character of it is seen: what callers send cannot begin a line of its own, nor turn
//! the direction of writing.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// How long lines are gathered.
const MOMENT: Duration = Duration::from_millis(5);
/// Bytes that are written without gathering more.
const ENOUGH: usize = 64 << 10;
/// Bytes that may wait to be written; further lines are dropped.
const WAITING: usize = 8 << 20;

/// How long the end waits for a log that is not taken.
const AT_THE_END: Duration = Duration::from_secs(5);

/// Keeps the log going; when it is dropped, everything logged so far has been written, unless nobody takes it.
pub(super) struct Log(Option<Arc<Queue>>);

impl Drop for Log {
    fn drop(&mut self) {
        if let Some(queue) = &self.0 {
            queue.flush(AT_THE_END);
        }
    }
}

impl Log {
    /// The number of lines dropped since the start, as it grows.
    pub(super) fn lines_dropped(&self) -> Arc<AtomicU64> {
        self.0.as_ref().map(|queue| Arc::clone(&queue.lines_dropped)).unwrap_or_default()
    }
}

/// Sends log lines to standard error; `AM_LOG` filters them as `RUST_LOG` does elsewhere. Hold on to what it gives
/// for as long as there may be something to log.
pub(super) fn to_stderr(default: &str) -> Log {
    let filter = EnvFilter::try_from_env("AM_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let coloured = io::stderr().is_terminal();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(coloured);
    let queue = Arc::new(Queue::default());
    let lines = Lines { queue: Arc::clone(&queue), coloured };
    let thread = std::thread::Builder::new().name("log".to_owned()).spawn({
        let queue = Arc::clone(&queue);
        move || queue.write(io::stderr(), report)
    });
    // A second call, as a test might make it, changes nothing.
    if thread.is_ok() {
        let _ = log.with_writer(lines).try_init();
        Log(Some(queue))
    } else {
        let _ = log.with_writer(io::stderr).try_init();
        Log(None)
    }
}

/// Says in the log that some of it is missing.
fn report(dropped: u64) {
    tracing::warn!(dropped, "log lines were dropped: nobody read the log fast enough");
}

/// What waits to be written.
#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    /// There is something to write, or enough of it, or somebody waits for it.
    more: Condvar,
    /// Something was written.
    less: Condvar,
    /// Lines for which there was no room, since the start.
    lines_dropped: Arc<AtomicU64>,
}

#[derive(Default)]
struct State {
    text: Vec<u8>,
    /// The writer has taken something that is not written yet.
    writing: bool,
    /// Somebody waits for everything to be written.
    flushing: bool,
    /// Lines for which there was no room, since a line said so.
    dropped: u64,
}

impl State {
    fn is_urgent(&self) -> bool {
        self.flushing || self.text.len() >= ENOUGH
    }
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a line, or counts it when there is no room.
    fn add(&self, line: &[u8]) {
        let mut state = self.state();
        if state.text.len() + line.len() > WAITING {
            state.dropped += 1;
            self.lines_dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let (was_empty, was_urgent) = (state.text.is_empty(), state.is_urgent());
        state.text.extend_from_slice(line);
        let wake = was_empty || (!was_urgent && state.is_urgent());
        drop(state);
        if wake {
            self.more.notify_one();
        }
    }

    /// Returns when all that was added is written, or when nobody has taken it for `longest`.
    fn flush(&self, longest: Duration) {
        let mut state = self.state();
        state.flushing = true;
        self.more.notify_one();
        let done =
            self.less.wait_timeout_while(state, longest, |state| state.writing || !state.text.is_empty());
        done.unwrap_or_else(PoisonError::into_inner).0.flushing = false;
    }

    /// Writes what comes, for ever, and has it reported how many lines were dropped meanwhile.
    fn write(&self, mut out: impl Write, report: impl Fn(u64)) {
        let mut together = Vec::new();
        loop {
            let state = self.state();
            let state = self
                .more
                .wait_while(state, |state| state.text.is_empty())
                .unwrap_or_else(PoisonError::into_inner);
            let (mut state, _) = self
                .more
                .wait_timeout_while(state, MOMENT, |state| !state.is_urgent())
                .unwrap_or_else(PoisonError::into_inner);
            std::mem::swap(&mut state.text, &mut together);
            state.writing = true;
            drop(state);
            self.less.notify_all();
            // A log that cannot be written must not end the service.
            let _ = out.write_all(&together);
            together.clear();
            together.shrink_to(ENOUGH);
            let mut state = self.state();
            state.writing = false;
            let dropped = std::mem::take(&mut state.dropped);
            drop(state);
            self.less.notify_all();
            if dropped > 0 {
                report(dropped);
            }
        }
    }
}

/// Where the log's lines go.
struct Lines {
    queue: Arc<Queue>,
    /// Lines hold escape sequences of ours, for colours.
    coloured: bool,
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { queue: &self.queue, coloured: self.coloured }
    }
}

/// One line, which comes in one piece.
struct Line<'a> {
    queue: &'a Queue,
    coloured: bool,
}

/// A line in which every character is seen: hidden ones as Rust writes them in literals. Only the end of the line
/// stays, tabulators, and the escape character where the line is coloured.
fn shown(line: &[u8], coloured: bool) -> Cow<'_, [u8]> {
    let (body, end) = line.strip_suffix(b"\n").map_or((line, ""), |body| (body, "\n"));
    if body.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t')) {
        return Cow::Borrowed(line);
    }
    let mut out = String::with_capacity(line.len() + 16);
    for c in String::from_utf8_lossy(body).chars() {
        if !urn::is_hidden(c) || c == '\t' || (c == '\u{1b}' && coloured) {
            out.push(c);
        } else {
            // Writing to a string does not fail.
            let _ = write!(out, "{}", c.escape_default());
        }
    }
    out.push_str(end);
    Cow::Owned(out.into_bytes())
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.queue.add(&shown(bytes, self.coloured));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn started(out: &Shared) -> (Log, Lines) {
        let queue = Arc::new(Queue::default());
        let lines = Lines { queue: Arc::clone(&queue), coloured: false };
        let (log, out) = (Log(Some(Arc::clone(&queue))), out.clone());
        std::thread::spawn(move || queue.write(out, |_| {}));
        (log, lines)
    }

    #[test]
    fn every_line_is_written_in_order_before_the_log_ends() {
        let out = Shared::default();
        let (log, lines) = started(&out);
        let mut expected = String::new();
        for n in 0..50_000 {
            let line = format!("line {n} {}\n", "x".repeat(n % 100));
            expected.push_str(&line);
            lines.make_writer().write_all(line.as_bytes()).unwrap();
        }
        drop(log);
        assert_eq!(String::from_utf8(out.0.lock().unwrap().clone()).unwrap(), expected);
    }

    #[test]
    fn lines_of_many_threads_stay_whole() {
        let out = Shared::default();
        let (log, lines) = started(&out);
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let lines = &lines;
                scope.spawn(move || {
                    for n in 0..2_000 {
                        let line = format!("{thread} {n} {}\n", "y".repeat(200));
                        lines.make_writer().write_all(line.as_bytes()).unwrap();
                    }
                });
            }
        });
        drop(log);
        let text = String::from_utf8(out.0.lock().unwrap().clone()).unwrap();
        let mut next = [0; 8];
        for line in text.lines() {
            let mut words = line.split(' ');
            let mut number = || words.next().unwrap().parse::<usize>().unwrap();
            let (thread, n) = (number(), number());
            assert_eq!(n, next[thread]);
            next[thread] += 1;
        }
        assert_eq!(next, [2_000; 8]);
    }

    /// Takes nothing until it is let go.
    struct Stuck(Arc<Mutex<()>>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            drop(self.0.lock().unwrap());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_log_that_nobody_takes_does_not_keep_the_program_from_ending() {
        let gate = Arc::new(Mutex::new(()));
        let held = gate.lock().unwrap();
        let queue = Arc::new(Queue::default());
        std::thread::spawn({
            let (queue, out) = (Arc::clone(&queue), Stuck(Arc::clone(&gate)));
            move || queue.write(out, |_| {})
        });
        queue.add(b"line\n");
        queue.flush(Duration::from_millis(20));
        let state = queue.state();
        assert!(state.writing || !state.text.is_empty());
        drop((state, held));
    }

    #[test]
    fn a_log_that_nobody_takes_stops_nobody_and_says_what_is_missing() {
        let gate = Arc::new(Mutex::new(()));
        let held = gate.lock().unwrap();
        let (queue, taken) = (Arc::new(Queue::default()), Arc::new(Mutex::new(0)));
        let (send, reported) = std::sync::mpsc::channel();
        std::thread::spawn({
            let out = Gated { gate: Arc::clone(&gate), taken: Arc::clone(&taken) };
            let queue = Arc::clone(&queue);
            move || queue.write(out, move |dropped| send.send(dropped).unwrap())
        });
        let line = [[b'x'; 999].as_slice(), b"\n"].concat();
        let lines = 4 * WAITING / line.len();
        for _ in 0..lines {
            queue.add(&line);
        }
        assert!(queue.state().text.len() <= WAITING);
        drop(held);
        let dropped = reported.recv().unwrap();
        let log = Log(Some(Arc::clone(&queue)));
        assert_eq!(log.lines_dropped().load(Ordering::Relaxed), dropped);
        let dropped = usize::try_from(dropped).unwrap();
        queue.flush(Duration::from_secs(60));
        assert!(dropped > lines / 2);
        assert_eq!(*taken.lock().unwrap() / line.len() + dropped, lines);
        queue.add(&line);
        queue.flush(Duration::from_secs(60));
        assert_eq!(*taken.lock().unwrap() / line.len() + dropped, lines + 1, "it goes on");
        assert_eq!(log.lines_dropped().load(Ordering::Relaxed), dropped as u64, "none is counted twice");
    }

    /// Counts what it takes, and takes nothing until it is let go.
    struct Gated {
        gate: Arc<Mutex<()>>,
        taken: Arc<Mutex<usize>>,
    }

    impl Write for Gated {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            drop(self.gate.lock().unwrap());
            *self.taken.lock().unwrap() += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_is_one_line_and_shows_all_its_characters() {
        let seen =
            |line: &str, coloured| String::from_utf8(shown(line.as_bytes(), coloured).into_owned()).unwrap();
        for plain in ["a\tb\n", "no end", "\n", "h\u{e9} \u{4e2d}\n"] {
            assert_eq!(seen(plain, false), plain);
        }
        assert_eq!(seen("a\nb\r\n", false), "a\\nb\\r\n");
        assert_eq!(
            seen("\u{202e}x\u{200b}\u{85}\u{1b}[1m\n", false),
            "\\u{202e}x\\u{200b}\\u{85}\\u{1b}[1m\n"
        );
        assert_eq!(seen("\u{1b}[1mx\u{1b}[0m\u{2028}\n", true), "\u{1b}[1mx\u{1b}[0m\\u{2028}\n");
    }

    #[test]
    fn a_log_with_nothing_in_it_ends_at_once() {
        drop(started(&Shared::default()).0);
    }
}
