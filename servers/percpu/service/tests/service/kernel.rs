//! A model of the kernel's windows: refuses what the kernel refuses, and fails when it is told to.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use abi::percpu::{INIT_BADGE, PercpuError, Request};
use abi::{Handle, Message, PAGE_SIZE, Received, Status};
use percpu_service::{FirstChunk, KernelRefusal, Mapper, Piece, Service};

pub const RESERVED: Handle = Handle(100);
pub const DYNAMIC: Handle = Handle(101);
/// 64 pages per unit, the header page among them.
pub const STRIDE: u64 = 64 * PAGE_SIZE;

/// A page of a window, or of memory.
type Page = (Handle, u64);

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct State {
    /// Memory, and its pages.
    pub memories: BTreeMap<u64, u64>,
    /// Which page of memory is at which page of a window, and its tag.
    pub mapped: BTreeMap<(u64, u64), ((u64, u64), u64)>,
    /// Pages that new memory may still have.
    pub free_pages: u64,
    /// Capabilities that the server gave up.
    pub dropped: BTreeSet<u64>,
}

#[derive(Default)]
pub struct Kernel {
    pub state: State,
    /// Refuse the call after so many.
    pub fail_after: Option<u64>,
    next_handle: u64,
}

impl Kernel {
    fn gate(&mut self) -> Result<(), KernelRefusal> {
        match &mut self.fail_after {
            Some(0) => Err(refusal(Status::HeapExhausted)),
            Some(calls) => {
                *calls -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn map_page(&mut self, (window, at): Page, (memory, page): Page, tag: u64) {
        let size = self.state.memories.get(&memory.0).expect("the memory exists");
        assert!(page < *size, "a page of the memory");
        assert!(at > 0, "no header page");
        let target = (memory.0, page);
        let used = self.state.mapped.values().any(|(used, _)| *used == target);
        assert!(!used, "no page is mapped twice: {target:?}");
        let before = self.state.mapped.insert((window.0, at), (target, tag));
        assert_eq!(before, None, "no page of a window is mapped over");
    }
}

fn refusal(status: Status) -> KernelRefusal {
    KernelRefusal { status, number: 7 }
}

/// The kernel, shared between the service and the test.
#[derive(Clone)]
pub struct Shared(pub Rc<RefCell<Kernel>>);

impl Mapper for Shared {
    fn map(&mut self, window: Handle, piece: &Piece, tag: u64) -> Result<(), KernelRefusal> {
        let mut kernel = self.0.borrow_mut();
        kernel.gate()?;
        for page in 0..piece.pages {
            let from = (piece.memory, piece.memory_page + page);
            kernel.map_page((window, piece.window_page + page), from, tag);
        }
        Ok(())
    }

    fn unmap(&mut self, window: Handle, piece: &Piece) -> Result<(), KernelRefusal> {
        let mut kernel = self.0.borrow_mut();
        for page in 0..piece.pages {
            let removed = kernel.state.mapped.remove(&(window.0, piece.window_page + page));
            let (target, _) = removed.expect("only mapped pages are unmapped");
            assert_eq!(target, (piece.memory.0, piece.memory_page + page));
        }
        Ok(())
    }

    fn create(&mut self, pages: u64) -> Result<Handle, KernelRefusal> {
        let mut kernel = self.0.borrow_mut();
        kernel.gate()?;
        if pages > kernel.state.free_pages {
            return Err(refusal(Status::NodeExhausted));
        }
        kernel.state.free_pages -= pages;
        kernel.next_handle += 1;
        let handle = 1000 + kernel.next_handle;
        kernel.state.memories.insert(handle, pages);
        Ok(Handle(handle))
    }

    fn drop(&mut self, capability: Handle) {
        let state = &mut self.0.borrow_mut().state;
        if let Some(pages) = state.memories.remove(&capability.0) {
            let used = state
                .mapped
                .values()
                .any(|((memory, _), _)| *memory == capability.0);
            assert!(!used, "memory that is given back is mapped nowhere");
            state.free_pages += pages;
        } else {
            assert!(state.dropped.insert(capability.0), "dropped twice");
        }
    }
}

/// A service over a model, and what a test does with it.
pub struct World {
    pub kernel: Shared,
    pub service: Service<Shared>,
}

impl World {
    /// `reserved` and `dynamic` pages of the first chunk, `free` pages beyond, and clients 2 and 3 with a
    /// quota of 20 pages, who have one and two static pages.
    pub fn new(reserved: u64, dynamic: u64, free: u64) -> World {
        let mut world = World::empty(reserved, dynamic, free);
        for (badge, static_pages) in [(2, 1), (3, 2)] {
            world
                .attach(badge, 20, static_pages)
                .expect("there is room for both");
        }
        world
    }

    pub fn empty(reserved: u64, dynamic: u64, free: u64) -> World {
        World::with_stride(STRIDE, reserved, dynamic, free)
    }

    pub fn with_stride(stride: u64, reserved: u64, dynamic: u64, free: u64) -> World {
        let kernel = Shared(Rc::new(RefCell::new(Kernel::default())));
        {
            let state = &mut kernel.0.borrow_mut().state;
            state.memories = [(RESERVED.0, reserved), (DYNAMIC.0, dynamic)].into();
            state.free_pages = free;
        }
        let chunk = FirstChunk {
            reserved: RESERVED,
            reserved_pages: reserved,
            dynamic: DYNAMIC,
            dynamic_pages: dynamic,
            possible_cpus: 4,
            stride,
        };
        let service = Service::new(chunk, kernel.clone()).expect("the host has memory");
        World { kernel, service }
    }

    pub fn attach(&mut self, badge: u64, quota_pages: u64, static_pages: u64) -> Result<u64, PercpuError> {
        let request = Request::Attach {
            badge,
            quota_pages,
            static_pages,
        };
        let message = request.encode().with_capability(Handle(500 + badge));
        self.send(INIT_BADGE, message).map(|words| words[0])
    }

    pub fn send(&mut self, badge: u64, message: Message) -> Result<[u64; 6], PercpuError> {
        let answer = self.service.answer(&Received { badge, message });
        PercpuError::from_answer(&answer)
    }

    pub fn ask(&mut self, badge: u64, request: Request) -> Result<[u64; 6], PercpuError> {
        self.send(badge, request.encode())
    }

    pub fn state(&self) -> State {
        self.kernel.0.borrow().state.clone()
    }

    pub fn fail_after(&self, calls: Option<u64>) {
        self.kernel.0.borrow_mut().fail_after = calls;
    }
}
