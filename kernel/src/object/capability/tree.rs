//! What was derived from what: every copy of a capability has a node below that of the one it was copied from, so that
//! whoever copied it can take it back, wherever it is by now.
//!
//! A node tells where its capability stands. One whose capability was dropped stays as long as others are below it.
//! References to nodes come and go under the one lock of the tree only: so a node that is found in it is alive. Nodes
//! are memory of the account that made the copy, and no deeper than [`MOST_LEVELS`].
//!
//! **Taking back** goes from the leaves up, a bounded number at a time. While it goes on, nothing can be derived from what
//! is to go, so it comes to an end. A copy that has not arrived yet is marked, and goes as soon as it arrives.

use alloc::sync::{Arc, Weak};
use core::sync::atomic::{AtomicBool, Ordering};

use abi::{Handle, Status};
use spin::mutex::SpinMutex;

use crate::object::Process;
use crate::refusal::{Refusal, require};
use crate::sync::{Lock, rank};

/// Most copies of copies.
pub const MOST_LEVELS: usize = 16;

/// Guards all links.
static TREE: Lock<(), { rank::TREE }> = Lock::new(());

/// A capability's place in the tree. Dropped with the capability.
pub struct Node(Option<Arc<Inner>>);

/// Its lock is free whenever the tree's is held: it only proves to the compiler that nobody else looks.
struct Inner(SpinMutex<Links>, AtomicBool);

#[derive(Default)]
struct Links {
    parent: Option<Arc<Inner>>,
    first: Weak<Inner>,
    next: Weak<Inner>,
    previous: Weak<Inner>,
    /// Whose table the capability is in, and its handle there.
    place: Option<(Weak<Process>, Handle)>,
    /// What is below is being taken back.
    is_closed: bool,
}

/// What is below a capability, for whoever takes it back.
pub struct Root(Option<Arc<Inner>>);

impl Inner {
    fn new(links: Links) -> Arc<Inner> {
        Arc::new(Inner(SpinMutex::new(links), AtomicBool::new(false)))
    }

    /// Whether it was taken back. Set under the lock of the tree.
    fn is_taken_back(&self) -> bool {
        self.1.load(Ordering::Acquire)
    }
}

impl Node {
    /// Of a capability that was not derived, and is about to be copied.
    pub fn root(place: (Weak<Process>, Handle)) -> Node {
        let place = Some(place);
        Node(Some(Inner::new(Links {
            place,
            ..Links::default()
        })))
    }

    /// Of a copy.
    ///
    /// # Errors
    /// `BeingRevoked`, `TooDeep`.
    pub fn below(&self) -> Result<Node, Refusal> {
        let new = Inner::new(Links::default());
        let guard = TREE.lock();
        let linked = self.0.as_ref().map_or(Ok(()), |parent| link(parent, &new));
        drop(guard);
        linked.map(|()| Node(Some(new)))
    }

    /// The capability stands there from now on. Whether it may: not if it was taken back on its way.
    #[must_use]
    pub fn arrive(&self, place: (Weak<Process>, Handle)) -> bool {
        let _guard = TREE.lock();
        let Some(inner) = &self.0 else {
            return true;
        };
        inner.0.lock().place = Some(place);
        !inner.is_taken_back()
    }

    /// Whether it was taken back, wherever it is: asked by those who keep it outside of tables.
    pub fn is_taken_back(&self) -> bool {
        self.0.as_ref().is_some_and(|inner| inner.is_taken_back())
    }

    /// What is below it, from which nothing can be derived until [`Root::open`].
    pub fn close(&self) -> Option<Root> {
        let _guard = TREE.lock();
        let inner = self.0.as_ref()?;
        inner.0.lock().is_closed = true;
        Some(Root(Some(inner.clone())))
    }
}

fn link(parent: &Arc<Inner>, new: &Arc<Inner>) -> Result<(), Refusal> {
    let mut above = Some(parent.clone());
    for _ in 0..MOST_LEVELS {
        let Some(inner) = above else {
            let mut at = parent.0.lock();
            if let Some(first) = at.first.upgrade() {
                first.0.lock().previous = Arc::downgrade(new);
            }
            let mut links = new.0.lock();
            links.next = core::mem::replace(&mut at.first, Arc::downgrade(new));
            links.parent = Some(parent.clone());
            return Ok(());
        };
        let links = inner.0.lock();
        require(!links.is_closed && !inner.is_taken_back(), Status::BeingRevoked)?;
        above = links.parent.clone();
    }
    Err(Status::TooDeep.into())
}

fn unlink(inner: &Inner) {
    let mut links = inner.0.lock();
    let (next, previous) = (
        core::mem::take(&mut links.next),
        core::mem::take(&mut links.previous),
    );
    if let Some(next) = next.upgrade() {
        next.0.lock().previous = previous.clone();
    }
    match (previous.upgrade(), &links.parent) {
        (Some(previous), _) => previous.0.lock().next = next,
        (None, Some(parent)) => {
            let mut parent = parent.0.lock();
            // One that was unlinked before is not the first any more.
            if core::ptr::eq(parent.first.as_ptr(), inner) {
                parent.first = next;
            }
        }
        (None, None) => {}
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _guard = TREE.lock();
        if let Some(inner) = self.0.take() {
            inner.0.lock().place = None;
            release(inner);
        }
    }
}

/// Lets go of a node; those above it go with it when nobody else is below them. The tree is locked.
fn release(inner: Arc<Inner>) {
    let mut last = Some(inner);
    while let Some(inner) = last {
        if Arc::strong_count(&inner) > 1 {
            return;
        }
        unlink(&inner);
        last = inner.0.lock().parent.take();
    }
}

impl Root {
    /// Takes one of those out that nothing is derived from: where its capability stands, if it has arrived. None when there
    /// is none left.
    pub fn take_leaf(&self) -> Option<Option<(Weak<Process>, Handle)>> {
        let _guard = TREE.lock();
        let mut leaf = self.0.as_ref()?.0.lock().first.upgrade()?;
        loop {
            let below = leaf.0.lock().first.upgrade();
            match below {
                Some(below) => leaf = below,
                None => break,
            }
        }
        unlink(&leaf);
        leaf.1.store(true, Ordering::Release);
        let place = leaf.0.lock().place.take();
        Some(place)
    }

    /// Everything was taken: copies can be made again.
    pub fn open(&self) {
        let _guard = TREE.lock();
        if let Some(inner) = &self.0 {
            inner.0.lock().is_closed = false;
        }
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let _guard = TREE.lock();
        if let Some(inner) = self.0.take() {
            release(inner);
        }
    }
}
