//! The last events of the server (O5), with the names and fields of Linux's trace points.

use core::fmt;

use userlib::abi::percpu::RegionId;
use userlib::abi::percpu::map::Kind;
use userlib::abi::percpu::number::{ATTACH, CREATE, DEPOPULATE, DESTROY, RESERVE};
use userlib::abi::percpu::trace::{Event, EventKind};
use userlib::percpu::{Error, Tracer};
use userlib::println;

use crate::text::{Client, Text};

/// Prints the last events, at most so many.
pub fn print(most: usize) -> Result<(), Error> {
    let events = Tracer::from(1).read()?;
    let count = events.iter().count();
    let left_out = events.lost + count.saturating_sub(most) as u64;
    crate::title("Trace");
    if left_out > 0 {
        println!("  {left_out} events before");
    }
    for event in events.iter().skip(count.saturating_sub(most)) {
        println!("  [{:>6}] {}", event.sequence, Line(event));
    }
    Ok(())
}

/// An event in words.
struct Line(Event);

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let event = &self.0;
        let Some(kind) = EventKind::from_word(event.kind.into()) else {
            return write!(f, "event {}", event.kind);
        };
        write!(f, "{}:", name(kind, event.request))?;
        if !matches!(
            kind,
            EventKind::CreateChunk | EventKind::DestroyChunk | EventKind::ServerStart
        ) {
            write!(f, " client={} name={}", Client(event.badge), Text(event.name))?;
        }
        match kind {
            EventKind::Alloc => {
                self.asked(f)?;
                self.place(f)
            }
            EventKind::Free => self.place(f),
            EventKind::AllocFail => {
                self.asked(f)?;
                match u64::from(event.request) {
                    ATTACH | RESERVE | CREATE => {}
                    _ => self.region(f)?,
                }
                match event.cause() {
                    Some(cause) => write!(f, " refused={cause:?}"),
                    None => Ok(()),
                }
            }
            EventKind::CreateChunk | EventKind::DestroyChunk => {
                let pool = Pool(event.pool);
                write!(f, " chunk={:#x} pool={pool} bytes={}", event.region, event.bytes)
            }
            EventKind::ClientEnd => write!(f, " regions={} bytes={}", event.more, event.bytes),
            EventKind::ServerStart => write!(f, " restarts={}", event.region),
        }
    }
}

impl Line {
    fn asked(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Event {
            bytes, align, pool, ..
        } = self.0;
        let (reserved, pool) = (u8::from(pool == Kind::Reserved as u8), Pool(pool));
        write!(f, " reserved={reserved} pool={pool} size={bytes} align={align}")
    }

    fn region(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RegionId { index, generation } = RegionId::decode(self.0.region);
        write!(f, " region={index}:{generation}")
    }

    fn place(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Event { offset, more, .. } = self.0;
        if self.0.region != u64::MAX {
            self.region(f)?;
        }
        write!(f, " off={offset:#x} bytes_alloc={more}")
    }
}

fn name(kind: EventKind, request: u8) -> &'static str {
    match (kind, u64::from(request)) {
        (EventKind::Alloc, ATTACH) => "percpu_client_start",
        (EventKind::Alloc, _) => "percpu_alloc_percpu",
        (EventKind::Free, _) => "percpu_free_percpu",
        (EventKind::AllocFail, DESTROY | DEPOPULATE) => "percpu_free_percpu_fail",
        (EventKind::AllocFail, _) => "percpu_alloc_percpu_fail",
        (EventKind::CreateChunk, _) => "percpu_create_chunk",
        (EventKind::DestroyChunk, _) => "percpu_destroy_chunk",
        (EventKind::ClientEnd, _) => "percpu_client_end",
        (EventKind::ServerStart, _) => "percpu_server_start",
    }
}

/// Where pages come from.
struct Pool(u8);

impl fmt::Display for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(crate::kind(self.0.into()))
    }
}
