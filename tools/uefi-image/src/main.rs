//! Writes a disk image that UEFI firmware boots: kernel and boot module behind the `bootloader` crate's loader.
//!
//! A program of its own, because the loader's build is long and needs more than stable Rust offers.

use std::path::PathBuf;

use bootloader::{BootConfig, DiskImageBuilder};
use bootloader_boot_config::LevelFilter;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(kernel), Some(module), Some(image)) = (arguments.next(), arguments.next(), arguments.next())
    else {
        anyhow::bail!("usage: uefi-image KERNEL MODULE IMAGE");
    };
    let mut config = BootConfig::default();
    // The serial line is the kernel's; the loader speaks there only of what keeps it from starting one.
    config.log_level = LevelFilter::Warn;
    DiskImageBuilder::new(kernel)
        .set_ramdisk(module)
        .set_boot_config(&config)
        .create_uefi_image(&image)
}
