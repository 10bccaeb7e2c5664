//! The trace goes on where the server before has ended, and a client's name is what it was.

use userlib::abi::PAGE_SIZE;
use userlib::abi::percpu::trace::{Event, EventKind, MOST_EVENTS};
use userlib::abi::percpu::{OBSERVER, name_of_words};
use userlib::checks::Checks;
use userlib::percpu::{self, Error, Populate, Region, Tracer};
use userlib::supervisor;

/// Checks everything in this file.
pub fn check(checks: &mut Checks) {
    checks.equal("trace-goes-on", goes_on(), Ok(None));
    let named = percpu::map(8).map(|map| map.owners().any(|owner| is_me(owner.badge, owner.name)));
    checks.equal("owner-is-named", named, Ok(true));
    checks.equal("trace-tells-what-is-lost", lost(), Ok(true));
}

fn is_me(badge: u64, name: [u64; 2]) -> bool {
    badge & OBSERVER != 0 && name_of_words(name) == *b"probe-restart\0\0\0"
}

/// Regions come and go with ends of the server in between: just that is told, in that order. What is told instead, if it is not.
fn goes_on() -> Result<Option<Event>, Error> {
    let mut tracer = Tracer::from(1);
    let _before = tracer.read()?;
    let next = tracer.next();
    let region = Region::create(PAGE_SIZE, Populate::None, "traced")?;
    let id = region.id().encode();
    supervisor::end_server()?;
    let refused = Region::create(u64::MAX, Populate::None, "refused");
    supervisor::end_server()?;
    region.destroy()?;
    let events = tracer.read()?;
    let is_chunk = |event: &Event| event.kind == EventKind::CreateChunk as u8;
    let mut told = events.iter().filter(|event| !is_chunk(event));
    use EventKind::{Alloc, AllocFail, Free, ServerStart};
    for (kind, region) in [
        (Alloc, Some(id)),
        (ServerStart, None),
        (AllocFail, Some(0)),
        (ServerStart, None),
        (Free, Some(id)),
    ] {
        let event = told.next().unwrap_or_default();
        let is_it = event.kind == kind as u8
            && region.is_none_or(|id| id == event.region && is_me(event.badge, event.name));
        let is_why =
            kind != AllocFail || event.cause().map(Error::Refused) == refused.as_ref().err().copied();
        if !is_it || !is_why {
            return Ok(Some(event));
        }
    }
    let numbers = events.iter().map(|event| event.sequence);
    let is_whole = events.lost == 0 && numbers.eq(next..tracer.next());
    Ok(told.next().or((!is_whole).then(Event::default)))
}

/// Twice as many events as are kept.
fn lost() -> Result<bool, Error> {
    let mut tracer = Tracer::from(1);
    let _before = tracer.read()?;
    for _ in 0..MOST_EVENTS {
        Region::create(PAGE_SIZE, Populate::None, "lost")?.destroy()?;
    }
    let events = tracer.read()?;
    Ok(events.lost == MOST_EVENTS && events.iter().count() as u64 == MOST_EVENTS)
}
