//! What threads need while they encode, kept from call to call.

use std::ops::{Deref, DerefMut};
use std::sync::Mutex;

use crate::long_pieces::WINDOW_BYTES;
use crate::merge::MergeScratch;
use crate::piece_batch::PieceBatch;
use crate::piece_cache::PieceCache;

/// Workspaces kept for the next calls; calls at the same time beyond this make their own.
const KEPT_WORKSPACES: usize = 8;

/// What one thread needs.
pub(crate) struct Workspace {
    pub(crate) cache: PieceCache,
    pub(crate) scratch: MergeScratch,
    pub(crate) batch: PieceBatch,
}

impl Workspace {
    pub(crate) fn new() -> Self {
        Self {
            cache: PieceCache::new(),
            scratch: MergeScratch::with_room_for(WINDOW_BYTES),
            batch: PieceBatch::new(),
        }
    }
}

/// The workspaces that nobody uses at the moment.
///
/// No lock is ever waited for: a process that was forked while another thread held it would wait for
/// ever. They are boxed, because they are large and a short text should not wait for moving one.
pub(crate) struct Workspaces(Mutex<Vec<Box<Workspace>>>);

impl Workspaces {
    /// The first workspace is made here, so that encoding short texts takes no new memory.
    pub(crate) fn new() -> Self {
        Self(Mutex::new(vec![Box::new(Workspace::new())]))
    }

    /// Take a workspace whose cache may know something, or make one.
    pub(crate) fn borrow(&self) -> BorrowedWorkspace<'_> {
        let kept = self.0.try_lock().ok().and_then(|mut kept| kept.pop());
        BorrowedWorkspace {
            workspace: Some(kept.unwrap_or_else(|| Box::new(Workspace::new()))),
            home: &self.0,
        }
    }
}

/// A workspace that goes back to its encoder when it is dropped.
pub(crate) struct BorrowedWorkspace<'a> {
    workspace: Option<Box<Workspace>>,
    home: &'a Mutex<Vec<Box<Workspace>>>,
}

impl Deref for BorrowedWorkspace<'_> {
    type Target = Workspace;

    fn deref(&self) -> &Workspace {
        self.workspace.as_ref().expect("it is there until dropped")
    }
}

impl DerefMut for BorrowedWorkspace<'_> {
    fn deref_mut(&mut self) -> &mut Workspace {
        self.workspace.as_mut().expect("it is there until dropped")
    }
}

impl Drop for BorrowedWorkspace<'_> {
    fn drop(&mut self) {
        if let (Some(workspace), Ok(mut kept)) = (self.workspace.take(), self.home.try_lock())
            && kept.len() < KEPT_WORKSPACES
        {
            kept.push(workspace);
        }
    }
}
