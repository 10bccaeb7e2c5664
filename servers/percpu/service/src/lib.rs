//! What the percpu server decides: who owns which pages of per-CPU memory, and what is refused.
//!
//! Every request goes the same way: decode → check → act → record → answer. The checks come first and change
//! nothing; acting is all-or-nothing ([`Service`]'s `back` undoes what it did when the kernel refuses); the
//! records are written last. So *a refused request has changed nothing*.
//!
//! The service knows pages of a unit, never addresses: the same answer holds on every CPU. What it needs of
//! the kernel is a [`Mapper`]; with another one, it runs on the host, which is how it is tested.
//!
//! Not served yet: giving back what a client held that has died (its pages stay with it until the machine
//! ends), rebuilding the records after a restart of the server, `Depopulate` and `Batch`. Names of regions are
//! checked and not kept, since nothing shows them yet.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod client;
mod clients;
mod mapper;
mod pools;
mod room;
mod service;
mod stock;

pub use client::MOST_REGIONS;
pub use clients::MOST_CLIENTS;
pub use mapper::{KernelRefusal, Mapper, Piece};
pub use service::{FirstChunk, STATIC_TAG, Service};
