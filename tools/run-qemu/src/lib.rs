//! Boots Selion in QEMU: for people through `cargo run-qemu`, for tests through this library.
//!
//! Start at [`Prepared::new`], which finds the tools and builds; [`Machine`] is what to boot, a
//! [`Transcript`] what came of it. The launcher knows no kernel internals: only the boot module's shape,
//! the serial line, and the values by which a guest ends its machine.

mod apt;
mod boot;
mod child;
mod compile;
mod elf;
mod environment;
mod escapes;
pub mod facts;
mod image;
mod machine;
mod module;
mod ovmf;
mod package;
mod programs;
mod qemu;
mod qmp;
mod results;
mod say;
mod serial;
mod session;
mod status;
mod symbolise;
mod toolchain;
mod transcript;
pub mod witness;
mod workspace;

pub use boot::{Booted, Prepared};
pub use compile::{Binaries, KERNELS};
pub use image::Destination;
pub use machine::{BootFiles, CpuTopology, MEMORY_STEP, MOST_CPUS, Machine, Shape};
pub use ovmf::Ovmf;
pub use programs::{Device, Expect, Run, Terms, asked, manifest};
pub use qemu::Qemu;
pub use results::{Measurement, Results, Seen};
pub use say::{flush, say};
pub use session::{Session, Watch};
pub use status::{Failure, Result, Status};
pub use toolchain::Core;
pub use transcript::{SUCCESS, Transcript};
pub use witness::Witness;
pub use workspace::Workspace;
