//! Log lines to standard error, written by a thread of their own.
//!
//! There is a line for every call. Were each written by the thread that answers, calls would queue for one file
//! and pay a system call each; here the lines that have come together are written together. None is dropped: when more
//! come than can be written, those who log wait.

use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Lines that may wait to be written.
const WAITING: usize = 4096;
/// Bytes that are written at once.
const AT_ONCE: usize = 64 << 10;

enum Message {
    Line(Vec<u8>),
    /// Everything before this is to be written before the answer is given.
    Flush(SyncSender<()>),
}

/// Keeps the log going; when it is dropped, everything logged so far has been written.
pub(super) struct Log(Option<SyncSender<Message>>);

impl Drop for Log {
    fn drop(&mut self) {
        let (done, wait) = sync_channel(1);
        if let Some(lines) = &self.0
            && lines.send(Message::Flush(done)).is_ok()
        {
            // An error would mean that the thread has ended: then there is nothing left to wait for.
            let _ = wait.recv();
        }
    }
}

/// Sends log lines to standard error; `AM_LOG` filters them as `RUST_LOG` does elsewhere. Hold on to what it gives
/// for as long as there may be something to log.
pub(super) fn to_stderr(default: &str) -> Log {
    let filter = EnvFilter::try_from_env("AM_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(io::stderr().is_terminal());
    let (lines, queue) = sync_channel(WAITING);
    let thread =
        std::thread::Builder::new().name("log".to_owned()).spawn(move || write(&queue, io::stderr()));
    // A second call, as a test might make it, changes nothing.
    if thread.is_ok() {
        let _ = log.with_writer(Lines(lines.clone())).try_init();
        Log(Some(lines))
    } else {
        let _ = log.with_writer(io::stderr).try_init();
        Log(None)
    }
}

fn write(queue: &Receiver<Message>, mut out: impl Write) {
    let mut together = Vec::with_capacity(AT_ONCE);
    while let Ok(first) = queue.recv() {
        let mut next = Some(first);
        while let Some(message) = next {
            match message {
                Message::Line(line) => together.extend_from_slice(&line),
                Message::Flush(done) => {
                    let _ = out.write_all(&together);
                    together.clear();
                    let _ = done.send(());
                }
            }
            next = if together.len() < AT_ONCE { queue.try_recv().ok() } else { None };
        }
        // A log that cannot be written must not end the service.
        let _ = out.write_all(&together);
        together.clear();
    }
}

/// Where the log's lines go.
struct Lines(SyncSender<Message>);

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { lines: &self.0, text: Vec::with_capacity(512) }
    }
}

/// One line, sent when it is complete.
struct Line<'a> {
    lines: &'a SyncSender<Message>,
    text: Vec<u8>,
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        let _ = self.lines.send(Message::Line(std::mem::take(&mut self.text)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

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

    #[test]
    fn every_line_is_written_in_order_before_the_log_ends() {
        let out = Shared::default();
        let (lines, queue) = sync_channel(WAITING);
        let thread = std::thread::spawn({
            let out = out.clone();
            move || write(&queue, out)
        });
        let log = Log(Some(lines.clone()));
        let mut expected = String::new();
        for n in 0..10_000 {
            let line = format!("line {n} {}\n", "x".repeat(n % 100));
            expected.push_str(&line);
            Lines(lines.clone()).make_writer().write_all(line.as_bytes()).unwrap();
        }
        drop(log);
        assert_eq!(String::from_utf8(out.0.lock().unwrap().clone()).unwrap(), expected);
        drop(lines);
        thread.join().unwrap();
    }
}
