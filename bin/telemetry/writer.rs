//! Where log lines leave the process. A thread writes them, so that a reader who is slow, stuck or gone, or a full disk, costs
//! lines and never holds up or ends the node.

use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::Duration,
};
use tracing::warn;

/// Lines that wait for the reader; the next ones are lost. About a megabyte, and minutes of a node at info.
const LINES_MAX: usize = 4096;

/// Takes lines and never blocks. Clones write to the same place.
#[derive(Clone, Debug)]
pub(super) struct LineWriter {
    messages: SyncSender<Message>,
    lost: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Message {
    Line(Vec<u8>),
    /// Answered once every line before it is written.
    Flush(SyncSender<()>),
}

impl LineWriter {
    /// Starts the thread that writes to `out`.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(super) fn start(out: impl Write + Send + 'static) -> io::Result<Self> {
        let (messages, inbox) = sync_channel(LINES_MAX);
        let lost = Arc::new(AtomicU64::new(0));
        let counted = lost.clone();
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write_all(out, &inbox, &counted))?;
        Ok(Self { messages, lost })
    }

    /// Waits until what was logged is written, for at most `patience`: the reader may be stuck.
    pub(super) fn flush(&self, patience: Duration) {
        let (done, written) = sync_channel(1);
        if self.messages.try_send(Message::Flush(done)).is_ok() {
            let _: Result<(), RecvTimeoutError> = written.recv_timeout(patience);
        }
    }
}

impl Write for LineWriter {
    /// Takes one line, which the layers above write at once.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match self.messages.try_send(Message::Line(line.to_vec())) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write_all(mut out: impl Write, inbox: &Receiver<Message>, lost: &AtomicU64) {
    for message in inbox {
        match message {
            Message::Line(line) => {
                // A closed pipe or a full disk: the line is lost, and the next one may get through.
                let is_written = out.write_all(&line).and_then(|()| out.flush()).is_ok();
                let lost = if is_written {
                    lost.swap(0, Ordering::Relaxed)
                } else {
                    0
                };
                if lost > 0 {
                    warn!(
                        lost,
                        "log lines were lost because their reader was too slow"
                    );
                }
            }
            Message::Flush(done) => {
                // Whoever asked may have lost patience.
                let _ = done.try_send(());
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::sync::{Condvar, Mutex};

    /// A reader who reads when told to.
    #[derive(Clone, Debug, Default)]
    struct Gate(Arc<(Mutex<Reading>, Condvar)>);

    /// Whether it reads, and what it has read.
    type Reading = (bool, Vec<u8>);

    impl Gate {
        fn open(&self) {
            self.0.0.lock().unwrap().0 = true;
            self.0.1.notify_all();
        }

        /// Waits until so many lines are read.
        fn until_read(&self, lines: usize) {
            let state = self.0.0.lock().unwrap();
            let is_short = |read: &[u8]| read.iter().filter(|&&byte| byte == b'\n').count() < lines;
            drop(
                self.0
                    .1
                    .wait_while(state, |state| is_short(&state.1))
                    .unwrap(),
            );
        }

        fn text(&self) -> String {
            String::from_utf8(self.0.0.lock().unwrap().1.clone()).unwrap()
        }
    }

    impl Write for Gate {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            let state = self.0.0.lock().unwrap();
            let mut state = self.0.1.wait_while(state, |state| !state.0).unwrap();
            state.1.extend_from_slice(line);
            self.0.1.notify_all();
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A pipe without a reader.
    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stuck_reader_costs_lines_and_blocks_nobody() {
        let gate = Gate::default();
        let mut writer = LineWriter::start(gate.clone()).unwrap();
        for number in 0..2 * LINES_MAX {
            writer.write_all(format!("{number}\n").as_bytes()).unwrap();
        }
        assert!(writer.lost.load(Ordering::Relaxed) >= LINES_MAX as u64 - 1);
        // No room for the order, so there is nothing to wait for.
        writer.flush(Duration::from_secs(3600));
        gate.open();
        gate.until_read(LINES_MAX);
        writer.flush(Duration::from_secs(3600));
        let text = gate.text();
        assert!(text.starts_with("0\n1\n2\n") && !text.contains("\n8191\n"));
    }

    #[test]
    fn a_reader_who_is_gone_does_no_harm() {
        let mut writer = LineWriter::start(Closed).unwrap();
        for _ in 0..10 {
            writeln!(writer, "x").unwrap();
            writer.flush(Duration::from_secs(10));
        }
    }
}
