//! A node of a stack is popped once, however its threads are moved about and whoever comes in between.

use std::ptr::NonNull;

use loom::sync::Arc;
use loom::thread;

use crate::atomic::UnsafeCell;
use crate::cell::{Offset, PerCpuPair, units};
use crate::cpus::{CPUS, Place, go_to};
use crate::sizes::Sizes;
use crate::slab::Nodes;
use crate::stack::{Full, Link, Stack};

/// How one CPU's tag differs from another's by more than the CPU: a push or a pop, or a node.
const ONE_NODE: u64 = 1 << 12;
const ONE_CHANGE: u64 = 1 << 24;

#[repr(C)]
#[derive(Debug)]
struct Node {
    link: Link,
    holder: UnsafeCell<()>,
}

/// Nodes that outlive the stacks, of which some lie on them in the beginning.
struct World {
    nodes: Vec<Node>,
    stack: Stack<'static>,
}

impl World {
    /// Stacks with so many nodes on each CPU, and one node more.
    fn new(on_each: [usize; CPUS]) -> Arc<World> {
        let node = || Node {
            link: Link::default(),
            holder: UnsafeCell::new(()),
        };
        let nodes: Vec<Node> = (0..=on_each.iter().sum()).map(|_| node()).collect();
        let world = World {
            nodes,
            stack: stack(0),
        };
        let mut nodes = world.nodes.iter();
        for (cpu, count) in on_each.into_iter().enumerate() {
            assert!(go_to(cpu));
            let here = nodes.by_ref().take(count);
            here.for_each(|node| assert_eq!(world.push(pointer(node)), Ok(())));
        }
        assert!(go_to(0));
        Arc::new(world)
    }

    /// The node that lies on no stack in the beginning.
    fn spare(&self) -> NonNull<Link> {
        self.nodes.last().map(pointer).unwrap()
    }

    fn pop(&self) -> Option<NonNull<Link>> {
        let link = self.stack.pop()?;
        use_alone(link);
        Some(link)
    }

    fn push(&self, link: NonNull<Link>) -> Result<(), Full> {
        use_alone(link);
        // SAFETY: the node is popped or new, and outlives the stack.
        unsafe { self.stack.push(link) }
    }

    fn pop_and_push(&self) {
        if let Some(link) = self.pop() {
            assert_eq!(self.push(link), Ok(()));
        }
    }

    /// What is on all stacks.
    fn rest(&self) -> Vec<NonNull<Link>> {
        let on = |cpu| {
            assert!(go_to(cpu));
            std::iter::from_fn(|| self.pop()).collect::<Vec<_>>()
        };
        (0..CPUS).flat_map(on).collect()
    }

    /// All nodes are there, once each, but for those that somebody kept.
    fn check(&self, kept: impl IntoIterator<Item = NonNull<Link>>) {
        assert_eq!(self.stack.verify(), Ok(()));
        self.check_nodes(kept);
    }

    fn check_nodes(&self, kept: impl IntoIterator<Item = NonNull<Link>>) {
        let mut all = self.rest();
        all.extend(kept);
        all.sort_unstable();
        let expected: Vec<_> = self.nodes.iter().map(pointer).collect();
        assert_eq!(all, expected);
    }
}

fn stack(bytes: usize) -> Stack<'static> {
    // SAFETY: nobody else uses these words.
    unsafe { Stack::new(PerCpuPair::<Offset<'static>>::in_region(bytes).unwrap()) }
}

fn pointer(node: &Node) -> NonNull<Link> {
    let pointer = NonNull::from(node).cast::<Link>();
    pointer.as_ptr().expose_provenance();
    pointer
}

/// Loom sees it when somebody else may use the node as well.
fn use_alone(link: NonNull<Link>) {
    // SAFETY: every link here is the first field of a node that outlives the model's threads.
    unsafe { link.cast::<Node>().as_ref() }.holder.get();
}

/// Between the look and the change of one thread, another puts the same node on top of another one.
#[test]
fn threads_of_one_cpu_take_turns() {
    crate::explore(3, || {
        let world = World::new([2, 0]);
        let other = world.clone();
        let other = thread::spawn(move || {
            let [first, second] = [other.pop(), other.pop()];
            let back = [Some(other.spare()), first].into_iter().flatten();
            back.for_each(|link| assert_eq!(other.push(link), Ok(())));
            second.map(Kept)
        });
        let popped = world.pop();
        let kept = other.join().unwrap().map(|Kept(link)| link);
        world.check(kept.into_iter().chain(popped));
    });
}

/// A thread is moved at any time from a CPU to another one, where another thread does the same.
#[test]
fn a_thread_may_be_moved_in_the_middle() {
    crate::explore(2, || {
        let world = World::new([2, 1]);
        let place = Place::new(0);
        let (moved, there) = (world.clone(), place.clone());
        let moved = thread::spawn(move || {
            there.follow();
            moved.pop_and_push();
        });
        let other = world.clone();
        let other = thread::spawn(move || {
            assert!(go_to(1));
            other.pop_and_push();
        });
        place.set(1);
        moved.join().unwrap();
        other.join().unwrap();
        world.check([world.spare()]);
    });
}

/// A pop as it must not be: it looks at the top before the tag.
fn pop_with_a_late_tag(world: &World) -> Option<NonNull<Link>> {
    let head = PerCpuPair::<Offset<'static>>::in_region(0).unwrap();
    loop {
        let top = head.first();
        let link = NonNull::new(std::ptr::with_exposed_provenance_mut::<Link>(top as usize))?;
        // SAFETY: the node outlives the stack.
        let next = unsafe { link.as_ref() }.behind();
        let tag = head.second();
        let next = next.map_or(0, |link| link.addr().get() as u64);
        let new_tag = tag + ONE_CHANGE - ONE_NODE;
        if head.compare_exchange([top, tag], [next, new_tag]).is_ok() {
            assert!(world.nodes.iter().any(|node| pointer(node) == link));
            use_alone(link);
            return Some(link);
        }
    }
}

#[test]
fn a_late_tag_would_be_seen() {
    assert!(crate::fails("stacks::a_late_tag_would_be_seen", || {
        let world = World::new([2, 0]);
        let other = world.clone();
        let other = thread::spawn(move || {
            let [first, second] = [other.pop(), other.pop()];
            let pushed = first.map(|link| other.push(link));
            assert_eq!(pushed.unwrap_or(Ok(())), Ok(()));
            second.map(Kept)
        });
        let popped = pop_with_a_late_tag(&world);
        let kept = other.join().unwrap().map(|Kept(link)| link);
        world.check_nodes([world.spare()].into_iter().chain(kept).chain(popped));
    }));
}

/// A node that a thread hands over.
struct Kept(NonNull<Link>);

// SAFETY: the node is its holder's alone, and outlives the threads.
unsafe impl Send for Kept {}

/// Tags that do not say which CPU they are of: a thread that has looked on one may change another.
#[test]
fn tags_without_the_cpu_would_be_seen() {
    assert!(crate::fails("stacks::tags_without_the_cpu_would_be_seen", || {
        let world = World::new([2, 1]);
        // Both count from the same number, and the other CPU's stack is one change behind.
        // SAFETY: the threads are not started yet.
        unsafe {
            units::write(8, |cpu| (2 - cpu as u64) * (ONE_NODE + ONE_CHANGE));
        }
        let place = Place::new(0);
        let (moved, there) = (world.clone(), place.clone());
        let moved = thread::spawn(move || {
            there.follow();
            moved.pop().map(Kept)
        });
        let link = world.pop();
        assert!(go_to(1));
        let pushed = link.map(|link| world.push(link));
        assert_eq!(pushed.unwrap_or(Ok(())), Ok(()));
        place.set(1);
        let kept = moved.join().unwrap().map(|Kept(link)| link);
        world.check_nodes([world.spare()].into_iter().chain(kept));
    }));
}

/// Objects from a stack with room for two, so that the depot is asked and given to; each is one thread's alone.
#[test]
fn an_object_has_one_holder() {
    crate::explore(2, || {
        let nodes = Arc::new(Nodes::<usize>::new(stack(0)));
        let [first, second] = [1, 2].map(|number| {
            let nodes = nodes.clone();
            thread::spawn(move || hold_two(&nodes, number))
        });
        first.join().unwrap();
        second.join().unwrap();
        assert_eq!(nodes.verify(), Ok(()));
    });
}

fn hold_two(nodes: &Nodes<'static, usize>, number: usize) {
    let taken = [nodes.take().unwrap(), nodes.take().unwrap()];
    // SAFETY: nodes that were taken are ours.
    taken
        .iter()
        .for_each(|node| unsafe { node.value().write(number) });
    thread::yield_now();
    for node in taken {
        // SAFETY: as above, and written above.
        assert_eq!(unsafe { node.value().read() }, number);
        nodes.give(node);
    }
}

/// Freed areas come back once each.
#[test]
fn an_area_is_given_out_once() {
    crate::explore(2, || {
        // SAFETY: nobody else uses these words.
        let sizes = Arc::new(unsafe { Sizes::new(0) }.unwrap());
        assert!(sizes.push(0, 40));
        let other = sizes.clone();
        let other = thread::spawn(move || {
            let found = other.pop(0);
            found.is_none_or(|offset| other.push(0, offset))
        });
        let pushed = sizes.push(0, 44);
        let found = sizes.pop(0);
        assert!(other.join().unwrap() && pushed);
        let mut all: Vec<usize> = std::iter::from_fn(|| sizes.pop_any()).chain(found).collect();
        all.sort_unstable();
        assert_eq!(all, [40, 44]);
        assert_eq!(sizes.count(), 0);
    });
}
