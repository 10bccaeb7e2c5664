//! What capabilities name: processes, threads, endpoints, notifications, memory and windows.
//!
//! Objects live in `Arc`s; capability tables, mappings and CPUs hold them. What a dead process leaves behind
//! goes when the last holder lets go.

pub mod account;
pub mod below;
pub mod burial;
pub mod capability;
pub mod census;
#[expect(unsafe_code, reason = "writes frames through the physical map")]
pub mod contents;
pub mod ending;
pub mod endpoint;
pub mod endpoints;
pub mod fault_handler;
pub mod interrupt;
pub mod memory;
pub mod notification;
pub mod place;
pub mod process;
#[expect(unsafe_code, reason = "rows are made of tokens of threads")]
pub mod queue;
pub mod ranges;
#[expect(unsafe_code, reason = "per-CPU words hold the tokens of threads")]
pub mod receivers;
pub mod space;
#[expect(
    unsafe_code,
    reason = "a thread's registers belong to whoever holds its one token"
)]
pub mod thread;
pub mod window;

pub use account::Account;
pub use capability::{Capability, Object};
pub use endpoint::Endpoint;
pub use fault_handler::FaultHandler;
pub use memory::Memory;
pub use notification::Notification;
pub use place::Place;
pub use process::Process;
pub use queue::Queue;
pub use receivers::Receivers;
pub use space::Space;
pub use thread::{Parked, Running, Thread};
