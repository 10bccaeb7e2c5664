//! A service over the model of a kernel, and what a test does with it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;

use abi::percpu::ledger::Window;
use abi::percpu::{INIT_BADGE, Name, PercpuError, Request};
use abi::{Handle, Message, Received};
use percpu_service::{Done, FirstChunk, Service};

use crate::kernel::{DYNAMIC, End, Ended, Kernel, RESERVED, STRIDE, Shared, State};

pub struct World {
    pub kernel: Shared,
    pub service: Service<Shared, Shared>,
    chunk: FirstChunk,
    /// The number of each client's next request.
    numbers: BTreeMap<u64, u64>,
    /// Those whose processes live.
    pub alive: Vec<u64>,
    /// When the servers that follow are to end, after they were started.
    pub next_ends: Vec<End>,
    /// How often the server was started again.
    pub restarts: u64,
    /// A chore that is done and not yet recorded.
    pending: Option<Done>,
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
        let kernel = Shared(Rc::new(RefCell::new(Kernel::new(reserved, dynamic, free))));
        let chunk = FirstChunk {
            reserved: RESERVED,
            reserved_pages: reserved,
            dynamic: DYNAMIC,
            dynamic_pages: dynamic,
            possible_cpus: 4,
            stride,
        };
        let mut service = Service::new(chunk, kernel.clone(), kernel.clone()).expect("there is room");
        service.recover(core::iter::empty()).expect("a new ledger");
        World {
            kernel,
            service,
            chunk,
            numbers: BTreeMap::new(),
            alive: Vec::new(),
            next_ends: Vec::new(),
            restarts: 0,
            pending: None,
        }
    }

    /// The server ends here, and the next one takes over; it may end while it does.
    pub fn restart(&mut self) {
        loop {
            self.kernel.0.borrow_mut().end_server();
            self.pending = None;
            self.restarts += 1;
            if !self.next_ends.is_empty() {
                let end = self.next_ends.remove(0);
                self.end_at(end);
            }
            let windows = self.windows();
            let started = catch_unwind(AssertUnwindSafe(|| {
                let service = Service::new(self.chunk, self.kernel.clone(), self.kernel.clone());
                let mut service = service.expect("there is room");
                service.recover(windows.into_iter()).expect("all of it has room");
                service
            }));
            match started {
                Ok(service) => {
                    self.service = service;
                    return;
                }
                Err(cause) if cause.is::<Ended>() => {}
                Err(cause) => resume_unwind(cause),
            }
        }
    }

    /// The windows that init tells the next server, also of those that have just ended.
    fn windows(&self) -> Vec<Window> {
        let window = |badge: &u64| Window {
            badge: *badge,
            window: Handle(500 + badge),
        };
        self.alive.iter().map(window).collect()
    }

    fn next_number(&mut self, badge: u64) -> u64 {
        let number = self.numbers.entry(badge).or_default();
        *number += 1;
        *number
    }

    pub fn attach(&mut self, badge: u64, quota_pages: u64, static_pages: u64) -> Result<u64, PercpuError> {
        let request = Request::Attach {
            badge,
            quota_pages,
            static_pages,
            name: name_of(badge),
        };
        if !self.alive.contains(&badge) {
            self.alive.push(badge);
        }
        let number = self.next_number(INIT_BADGE);
        let message = request.numbered(number).with_capability(Handle(500 + badge));
        self.send(INIT_BADGE, message).map(|words| words[0])
    }

    /// Sends a message as it is; the kernel tells the sender when the server ends meanwhile, and it sends it again.
    pub fn send(&mut self, badge: u64, message: Message) -> Result<[u64; 6], PercpuError> {
        let received = Received { badge, message };
        loop {
            match self.again(|service| service.answer(&received)) {
                Some(answer) => return PercpuError::from_answer(&answer),
                None => {
                    assert!(self.pending.is_some(), "there is something to wait for");
                    self.half_chore();
                }
            }
        }
    }

    /// Lets the server do something, and the next one again when it has ended meanwhile.
    pub fn again<T>(&mut self, mut act: impl FnMut(&mut Service<Shared, Shared>) -> T) -> T {
        loop {
            match catch_unwind(AssertUnwindSafe(|| act(&mut self.service))) {
                Ok(done) => return done,
                Err(cause) if cause.is::<Ended>() => self.restart(),
                Err(cause) => resume_unwind(cause),
            }
        }
    }

    pub fn ask(&mut self, badge: u64, request: Request) -> Result<[u64; 6], PercpuError> {
        let number = if request.is_change() {
            self.next_number(badge)
        } else {
            0
        };
        self.send(badge, request.numbered(number))
    }

    /// Half of a chore: it is done, or what was done is recorded. False when there is nothing to do.
    pub fn half_chore(&mut self) -> bool {
        let mut kernel = self.kernel.clone();
        match self.pending.take() {
            Some(done) => self.again(|service| {
                service.settle(done);
                true
            }),
            None => {
                let done = self.again(|service| service.chore().map(|chore| chore.act(&mut kernel)));
                self.pending = done;
                done.is_some()
            }
        }
    }

    /// Everything that can be done. How many chores.
    pub fn balance(&mut self) -> usize {
        let mut halves = 0;
        while self.half_chore() {
            halves += 1;
            assert!(halves < 1000, "there is an end to the chores");
        }
        halves / 2
    }

    pub fn drain(&mut self) -> u64 {
        if self.pending.is_some() {
            self.half_chore();
        }
        self.ask(INIT_BADGE, Request::Drain).expect("init may drain")[0]
    }

    pub fn state(&self) -> State {
        self.kernel.0.borrow().state.clone()
    }

    /// Ends a client's process, and tells the server if it asked for that.
    pub fn kill(&mut self, badge: u64) {
        let window = 500 + badge;
        let bits = {
            let mut kernel = self.kernel.0.borrow_mut();
            kernel.state.mapped.retain(|(owner, _), _| *owner != window);
            kernel.ended.insert(window);
            kernel.notices.remove(&window).unwrap_or(0)
        };
        let buried = catch_unwind(AssertUnwindSafe(|| self.service.bury(bits)));
        match buried {
            Ok(()) => {}
            Err(cause) if cause.is::<Ended>() => self.restart(),
            Err(cause) => resume_unwind(cause),
        }
        self.alive.retain(|alive| *alive != badge);
    }

    pub fn end_at(&self, end: End) {
        self.kernel.0.borrow_mut().end = Some(end);
    }

    pub fn fail_after(&self, calls: Option<u64>) {
        self.kernel.0.borrow_mut().fail_after = calls;
    }
}

/// What a client is called.
pub fn name_of(badge: u64) -> Name {
    let mut name = [0; 16];
    let text = format!("client-{}", badge & 0xff);
    name[..text.len()].copy_from_slice(text.as_bytes());
    name
}
