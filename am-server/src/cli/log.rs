//! Log lines to standard error, written by a thread of their own.
//!
//! There is a line for every call. Were each written by the thread that answers, calls would queue for one file and pay
//! a system call each; were the writing thread woken for each, they would pay for that. Here lines are gathered for a
//! moment and written together. None is dropped: when more come than can be written, those who log wait. What a process
//! that is killed logged in its last moment may be missing.

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// How long lines are gathered.
const MOMENT: Duration = Duration::from_millis(5);
/// Bytes that are written without gathering more.
const ENOUGH: usize = 64 << 10;
/// Bytes that may wait to be written.
const WAITING: usize = 1 << 20;

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

/// Sends log lines to standard error; `AM_LOG` filters them as `RUST_LOG` does elsewhere. Hold on to what it gives
/// for as long as there may be something to log.
pub(super) fn to_stderr(default: &str) -> Log {
    let filter = EnvFilter::try_from_env("AM_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(io::stderr().is_terminal());
    let queue = Arc::new(Queue::default());
    let lines = Lines(Arc::clone(&queue));
    let thread = std::thread::Builder::new().name("log".to_owned()).spawn({
        let queue = Arc::clone(&queue);
        move || queue.write(io::stderr())
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

/// What waits to be written.
#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    /// There is something to write, or enough of it, or somebody waits for it.
    more: Condvar,
    /// Something was written.
    less: Condvar,
}

#[derive(Default)]
struct State {
    text: Vec<u8>,
    /// The writer has taken something that is not written yet.
    writing: bool,
    /// Somebody waits for everything to be written.
    flushing: bool,
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

    /// Adds a line; waits while there is no room.
    fn add(&self, line: &[u8]) {
        let state = self.state();
        let mut state = self
            .less
            .wait_while(state, |state| state.text.len() >= WAITING)
            .unwrap_or_else(PoisonError::into_inner);
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

    /// Writes what comes, for ever.
    fn write(&self, mut out: impl Write) {
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
            self.state().writing = false;
            self.less.notify_all();
        }
    }
}

/// Where the log's lines go.
struct Lines(Arc<Queue>);

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { queue: &self.0 }
    }
}

/// One line, which comes in one piece.
struct Line<'a> {
    queue: &'a Queue,
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.queue.add(bytes);
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
        let lines = Lines(Arc::clone(&queue));
        let (log, out) = (Log(Some(Arc::clone(&queue))), out.clone());
        std::thread::spawn(move || queue.write(out));
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
            move || queue.write(out)
        });
        queue.add(b"line\n");
        queue.flush(Duration::from_millis(20));
        let state = queue.state();
        assert!(state.writing || !state.text.is_empty());
        drop((state, held));
    }

    #[test]
    fn a_log_with_nothing_in_it_ends_at_once() {
        drop(started(&Shared::default()).0);
    }
}
