//! What the percpu server decides: who owns which pages of per-CPU memory, and what is refused.
//!
//! Every request goes the same way: decode → check → take → intend → one kernel call → record → answer. The checks
//! come first and change nothing; the one kernel call makes the change, whole or not at all, and leaves the
//! request's number in the client's window; the records are written last. So *a refused request has changed
//! nothing*, and a server that follows one that has ended at any point finds out whether the request took effect.
//!
//! The service knows pages of a unit, never addresses: the same answer holds on every CPU. What it needs of
//! the kernel is a [`Mapper`], and what outlives it is [`Words`]; with other ones, it runs on the host, which is
//! how it is tested.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod atomic;
mod bell;
mod client;
mod clients;
mod ledger;
mod mapper;
mod note;
mod pools;
mod region;
mod room;
mod service;
mod shelf;
mod stock;

pub use bell::Bell;
pub use clients::MOST_CLIENTS;
pub use ledger::{MOST_REGIONS, Words, count_malformed};
pub use mapper::{Found, KernelRefusal, Mapped, Mapper, MemoryInfo, Piece};
pub use service::{Change, Chore, Done, FirstChunk, STATIC_TAG, Service, Sheet};
pub use stock::Run;
