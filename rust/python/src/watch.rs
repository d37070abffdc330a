//! How Python stays responsive during a long job: progress is passed on, and ^C is answered.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nanot_bpe::{Error, Progress, Snapshot, Stage};
use pyo3::prelude::*;

use crate::errors::{panic_error, to_python};

const POLL_INTERVAL: Duration = Duration::from_millis(50);
const REPORT_INTERVAL: Duration = Duration::from_millis(200);

/// Run `work` on another thread while this one, which holds the GIL only to do so, watches it.
///
/// `callback` is called as `callback(stage, done, total)`. An exception that it raises, or that a
/// signal raises, cancels the work and is returned once that has stopped.
pub(crate) fn run_watched<T: Send>(
    py: Python<'_>,
    callback: Option<&Bound<'_, PyAny>>,
    work: impl FnOnce(&Progress) -> Result<T, Error> + Send,
) -> PyResult<T> {
    let progress = &Progress::default();
    let is_done = &AtomicBool::new(false);
    let this_thread = thread::current();
    thread::scope(|scope| {
        let worker = scope.spawn(move || {
            let result = work(progress);
            is_done.store(true, Ordering::Release);
            this_thread.unpark();
            result
        });
        let mut reporter = Reporter {
            callback,
            last: Snapshot::default(),
            time: Instant::now(),
        };
        let mut outcome = Ok(());
        // A thread that panics does not say that it is done, but it finishes.
        while outcome.is_ok() && !is_done.load(Ordering::Acquire) && !worker.is_finished() {
            py.detach(|| thread::park_timeout(POLL_INTERVAL));
            outcome = py
                .check_signals()
                .and_then(|()| reporter.report(progress.snapshot(), false));
        }
        if outcome.is_err() {
            progress.cancel();
        }
        let result = py.detach(|| worker.join());
        outcome?;
        match result {
            Ok(Ok(value)) => {
                reporter.report(progress.snapshot(), true)?;
                Ok(value)
            }
            Ok(Err(error)) => Err(to_python(py, error)),
            Err(panic) => Err(panic_error(panic.as_ref())),
        }
    })
}

/// Passes progress on, not too often.
struct Reporter<'a, 'py> {
    callback: Option<&'a Bound<'py, PyAny>>,
    last: Snapshot,
    time: Instant,
}

impl Reporter<'_, '_> {
    fn report(&mut self, now: Snapshot, is_last: bool) -> PyResult<()> {
        let Some(callback) = self.callback else {
            return Ok(());
        };
        if now.stage != self.last.stage && self.last.stage != Stage::Starting {
            // The stage before has come to its end since the last report.
            callback.call1((self.last.stage.name(), self.last.total, self.last.total))?;
        }
        let is_due = self.time.elapsed() >= REPORT_INTERVAL;
        if is_last || (is_due && now.stage != Stage::Starting) {
            callback.call1((now.stage.name(), now.done, now.total))?;
            self.time = Instant::now();
        }
        self.last = now;
        Ok(())
    }
}
