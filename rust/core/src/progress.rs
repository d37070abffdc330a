//! How far a long job has come, and whether somebody wants it to stop.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::Error;

/// What a job is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// Nothing yet.
    #[default]
    Starting,
    /// Counting pre-tokens; progress is in bytes.
    Counting,
    /// Learning merges; progress is in merges.
    Merging,
    /// Encoding texts; progress is in bytes.
    Encoding,
    /// Decoding; progress is in ids.
    Decoding,
}

impl Stage {
    /// The name shown to users.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Counting => "counting",
            Self::Merging => "merging",
            Self::Encoding => "encoding",
            Self::Decoding => "decoding",
        }
    }
}

/// A stage, and how much of it is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// What is being done.
    pub stage: Stage,
    /// How much of it is done, in the stage's unit.
    pub done: u64,
    /// How much there is to do.
    pub total: u64,
}

/// Shared between the threads that work and the one that watches.
#[derive(Debug, Default)]
pub struct Progress {
    snapshot: Mutex<Snapshot>,
    cancelled: AtomicBool,
}

impl Progress {
    /// What is being done now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        *self.lock()
    }

    /// Ask the job to stop; it then returns [`Error::Cancelled`] soon.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Begin a stage.
    pub(crate) fn start(&self, stage: Stage, total: u64) {
        *self.lock() = Snapshot {
            stage,
            done: 0,
            total,
        };
    }

    /// Add to what is done.
    pub(crate) fn add(&self, amount: u64) {
        self.lock().done += amount;
    }

    /// Say that the whole stage is done.
    pub(crate) fn finish(&self) {
        let mut snapshot = self.lock();
        snapshot.done = snapshot.total;
    }

    /// Fail when the job was cancelled.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.cancelled.load(Ordering::Relaxed) {
            Err(Error::Cancelled)
        } else {
            Ok(())
        }
    }

    fn lock(&self) -> MutexGuard<'_, Snapshot> {
        self.snapshot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
