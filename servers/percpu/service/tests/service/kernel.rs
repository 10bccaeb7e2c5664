//! A model of the kernel's windows: refuses what the kernel refuses, fails and ends the server when it is told to.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use abi::percpu::ledger::PAGES;
use abi::syscall::{MAX_WINDOW_LIST, MemoryKind};
use abi::{Handle, PAGE_SIZE, Status};
use percpu_service::{Found, KernelRefusal, Mapped, Mapper, MemoryInfo, Piece, Run, Words};

pub const RESERVED: Handle = Handle(100);
pub const DYNAMIC: Handle = Handle(101);
/// 64 pages per unit, the header page among them.
pub const STRIDE: u64 = 64 * PAGE_SIZE;

/// A page of a window, or of memory.
type Page = (u64, u64);

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct State {
    /// Memory by its id, its pages, and whether it is populated on touch.
    pub memories: BTreeMap<u64, (u64, bool)>,
    /// Which page of memory is at which page of a window, and its tag.
    pub mapped: BTreeMap<Page, (Page, u64)>,
    /// Pages that new memory may still have.
    pub free_pages: u64,
    /// Capabilities that the server gave up, but for memory.
    pub dropped: BTreeSet<u64>,
}

/// When the server ends, in kernel calls from now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    Before(u64),
    After(u64),
}

/// What unwinds when the server ends at a kernel call.
pub struct Ended;

#[derive(Default)]
pub struct Kernel {
    pub state: State,
    /// Refuse one call, after so many.
    pub fail_after: Option<u64>,
    pub end: Option<End>,
    /// The server ends before so many words more are written to the ledger.
    pub end_at_word: Option<u64>,
    /// The notes of windows.
    pub notes: BTreeMap<u64, u64>,
    /// Windows whose process has ended.
    pub ended: BTreeSet<u64>,
    /// Calls so far.
    pub calls: u64,
    /// The server's capabilities to memory, which go with it: the ids.
    handles: BTreeMap<u64, u64>,
    next_id: u64,
    next_handle: u64,
    /// The bits for the ends of processes, by their windows.
    pub notices: BTreeMap<u64, u64>,
    ledger: Vec<u64>,
    /// Pages that somebody had since they were cleared.
    pub dirty: BTreeSet<Page>,
}

impl Kernel {
    pub fn new(reserved: u64, dynamic: u64, free_pages: u64) -> Kernel {
        let memories = [(100, (reserved, false)), (101, (dynamic, false))].into();
        let state = State {
            memories,
            free_pages,
            ..State::default()
        };
        Kernel {
            state,
            next_id: 1000,
            next_handle: 5000,
            handles: [(100, 100), (101, 101)].into(),
            ledger: vec![0; PAGES as usize * 512],
            ..Kernel::default()
        }
    }

    /// Writes a word of the ledger, as nobody should.
    pub fn spoil(&mut self, at: usize, word: u64) {
        self.ledger[at] = word;
    }

    /// The server has ended: its capabilities go, and memory that nobody maps.
    pub fn end_server(&mut self) {
        self.handles = [(100, 100), (101, 101)].into();
        self.notices.clear();
        self.state.dropped.clear();
        self.end = None;
        self.sweep();
    }

    /// Memory that nothing names and nobody maps is free.
    fn sweep(&mut self) {
        let named: BTreeSet<u64> = self.handles.values().copied().collect();
        let used: BTreeSet<u64> = self.state.mapped.values().map(|((id, _), _)| *id).collect();
        let ids: Vec<u64> = self.state.memories.keys().copied().collect();
        for id in ids
            .into_iter()
            .filter(|id| !named.contains(id) && !used.contains(id))
        {
            let (pages, _) = self.state.memories.remove(&id).expect("it is one of them");
            self.state.free_pages += pages;
            self.dirty.retain(|(memory, _)| *memory != id);
        }
    }

    fn handle_for(&mut self, id: u64) -> Handle {
        self.next_handle += 1;
        self.handles.insert(self.next_handle, id);
        Handle(self.next_handle)
    }

    fn check(&self, window: Handle) -> Result<(), KernelRefusal> {
        match self.ended.contains(&window.0) {
            true => Err(refusal(Status::ProcessEnded)),
            false => Ok(()),
        }
    }

    fn map_page(&mut self, window: u64, at: u64, memory: Handle, page: u64, tag: u64) {
        let id = self.handles[&memory.0];
        let (size, _) = self.state.memories[&id];
        assert!(page < size, "a page of the memory");
        assert!(at > 0, "no header page");
        let used = self.state.mapped.values().any(|(used, _)| *used == (id, page));
        assert!(!used, "no page is mapped twice: {:?}", (id, page));
        self.dirty.insert((id, page));
        let before = self.state.mapped.insert((window, at), ((id, page), tag));
        assert_eq!(before, None, "no page of a window is mapped over");
    }

    fn range_at(&self, window: u64, from: u64) -> Option<Mapped> {
        let mut pages = self.state.mapped.range((window, from)..(window + 1, 0));
        let ((_, first), ((id, memory_page), tag)) = pages.next()?;
        let follows = |(index, ((_, at), target)): (u64, (&Page, &(Page, u64)))| {
            *at == first + index && *target == ((*id, memory_page + index), *tag)
        };
        let more = (1..).zip(pages).take_while(|item| follows(*item)).count() as u64;
        Some(Mapped {
            window_page: *first,
            pages: 1 + more,
            tag: *tag,
            memory_id: *id,
            memory_page: *memory_page,
        })
    }
}

fn refusal(status: Status) -> KernelRefusal {
    KernelRefusal { status, number: 7 }
}

/// The kernel, shared between the service and the test.
#[derive(Clone)]
pub struct Shared(pub Rc<RefCell<Kernel>>);

impl Shared {
    /// One kernel call: refused, or done, and the server may end before or after it.
    fn call<T>(&self, act: impl FnOnce(&mut Kernel) -> Result<T, KernelRefusal>) -> Result<T, KernelRefusal> {
        let mut kernel = self.0.borrow_mut();
        kernel.calls += 1;
        let end = |kernel: &mut Kernel| {
            kernel.end = None;
            Box::new(Ended)
        };
        match kernel.end {
            Some(End::Before(0)) => {
                let ended = end(&mut kernel);
                drop(kernel);
                std::panic::resume_unwind(ended);
            }
            Some(End::Before(calls)) => kernel.end = Some(End::Before(calls - 1)),
            _ => {}
        }
        let result = match &mut kernel.fail_after {
            Some(0) => {
                kernel.fail_after = None;
                Err(refusal(Status::HeapExhausted))
            }
            Some(calls) => {
                *calls -= 1;
                act(&mut kernel)
            }
            None => act(&mut kernel),
        };
        match kernel.end {
            Some(End::After(0)) => {
                let ended = end(&mut kernel);
                drop(kernel);
                std::panic::resume_unwind(ended);
            }
            Some(End::After(calls)) => kernel.end = Some(End::After(calls - 1)),
            _ => {}
        }
        result
    }
}

impl Mapper for Shared {
    fn map(&mut self, window: Handle, pieces: &[Piece], tag: u64, note: u64) -> Result<(), KernelRefusal> {
        self.call(|kernel| {
            kernel.check(window)?;
            assert!((1..=MAX_WINDOW_LIST).contains(&(pieces.len() as u64)));
            for piece in pieces {
                for page in 0..piece.pages {
                    let at = piece.window_page + page;
                    kernel.map_page(window.0, at, piece.memory, piece.memory_page + page, tag);
                }
            }
            kernel.notes.insert(window.0, note);
            Ok(())
        })
    }

    fn unmap(&mut self, window: Handle, page: u64, pages: u64, note: u64) -> Result<(), KernelRefusal> {
        self.call(|kernel| {
            kernel.check(window)?;
            let before = kernel.state.mapped.len();
            let is_elsewhere = |(owner, at): &Page| *owner != window.0 || *at < page || *at >= page + pages;
            kernel.state.mapped.retain(|at, _| is_elsewhere(at));
            if kernel.state.mapped.len() == before {
                return Err(refusal(Status::NotMapped));
            }
            kernel.notes.insert(window.0, note);
            kernel.sweep();
            Ok(())
        })
    }

    fn set_note(&mut self, window: Handle, note: u64) -> Result<(), KernelRefusal> {
        self.call(|kernel| {
            kernel.check(window)?;
            kernel.notes.insert(window.0, note);
            Ok(())
        })
    }

    fn query(&mut self, window: Handle, page: u64) -> Result<Found, KernelRefusal> {
        self.call(|kernel| {
            let note = kernel.notes.get(&window.0).copied().unwrap_or(0);
            Ok(match kernel.range_at(window.0, page) {
                _ if kernel.ended.contains(&window.0) => Found::Ended,
                Some(range) => Found::Range(range, note),
                None => Found::Nothing(note),
            })
        })
    }

    fn memory_at(&mut self, window: Handle, page: u64) -> Result<Handle, KernelRefusal> {
        self.call(|kernel| {
            kernel.check(window)?;
            let ((id, _), _) = kernel.state.mapped[&(window.0, page)];
            Ok(kernel.handle_for(id))
        })
    }

    fn memory_info(&mut self, memory: Handle) -> Result<MemoryInfo, KernelRefusal> {
        self.call(|kernel| {
            let id = kernel.handles[&memory.0];
            let (pages, is_on_touch) = kernel.state.memories[&id];
            let kind = match is_on_touch {
                true => MemoryKind::PerCpuOnTouch,
                false => MemoryKind::PerCpu,
            };
            Ok(MemoryInfo { id, pages, kind })
        })
    }

    fn populated(&mut self, window: Handle, page: u64) -> Result<[u64; 4], KernelRefusal> {
        self.call(|kernel| match kernel.state.mapped.get(&(window.0, page)) {
            Some(((id, _), _)) if kernel.state.memories[id].1 => Ok([2, 0, 0, 0]),
            Some(_) => Ok([15, 0, 0, 0]),
            None => Err(refusal(Status::NotMapped)),
        })
    }

    fn create(&mut self, pages: u64, is_on_touch: bool) -> Result<Handle, KernelRefusal> {
        self.call(|kernel| {
            if pages > kernel.state.free_pages {
                return Err(refusal(Status::NodeExhausted));
            }
            kernel.state.free_pages -= pages;
            kernel.next_id += 1;
            let id = kernel.next_id;
            kernel.state.memories.insert(id, (pages, is_on_touch));
            Ok(kernel.handle_for(id))
        })
    }

    fn clean(&mut self, run: Run) -> Result<(), KernelRefusal> {
        self.call(|kernel| {
            let id = kernel.handles[&run.memory.0];
            for page in run.range.first..run.range.first + run.range.count {
                let page = (id, page as u64);
                let used = kernel.state.mapped.values().any(|(used, _)| *used == page);
                assert!(!used, "no page is cleared that somebody has");
                kernel.dirty.remove(&page);
            }
            Ok(())
        })
    }

    fn on_death(&mut self, window: Handle, bit: u64) -> Result<(), KernelRefusal> {
        self.call(|kernel| {
            *kernel.notices.entry(window.0).or_default() |= bit;
            Ok(())
        })
    }

    fn wait_for_end(&mut self, window: Handle) -> Result<(), KernelRefusal> {
        self.call(|kernel| {
            assert!(kernel.ended.contains(&window.0), "nobody waits for the living");
            Ok(())
        })
    }

    fn drop(&mut self, capability: Handle) {
        // The kernel has no reason to refuse this.
        let fail_after = self.0.borrow_mut().fail_after.take();
        let dropped = self.call(|kernel| {
            kernel.fail_after = fail_after;
            match kernel.handles.remove(&capability.0) {
                Some(_) => kernel.sweep(),
                None => {
                    assert!(capability.0 < 5000, "memory is dropped once");
                    kernel.state.dropped.insert(capability.0);
                }
            }
            Ok(())
        });
        assert!(dropped.is_ok());
    }
}

impl Words for Shared {
    fn read(&self, at: usize) -> u64 {
        self.0.borrow().ledger[at]
    }

    fn write(&mut self, at: usize, word: u64) {
        let left = self.0.borrow().end_at_word;
        self.0.borrow_mut().end_at_word = left.and_then(|left| left.checked_sub(1));
        if left == Some(0) {
            std::panic::resume_unwind(Box::new(Ended));
        }
        self.0.borrow_mut().ledger[at] = word;
    }

    fn add(&mut self, at: usize, more: u64) {
        self.0.borrow_mut().ledger[at] += more;
    }
}
