//! QEMU's plugin interface, version 1, as far as it is used, and what is hung into it.
//!
//! Declared after QEMU 7.2's `qemu-plugin.h`, which Debian does not ship. The functions are in the emulator's own binary,
//! which loads this one.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::path::Path;
use std::ptr::without_provenance_mut;
use std::slice;
use std::sync::OnceLock;

use crate::class::Class;
use crate::numbers;
use crate::witness::{Settings, Witness};

/// The version of the interface.
#[unsafe(no_mangle)]
pub static qemu_plugin_version: c_int = 1;

/// A translation block, for as long as its callback runs.
#[repr(C)]
struct Block([u8; 0]);
/// An instruction of one.
#[repr(C)]
struct Instruction([u8; 0]);
/// Where an access went, for as long as its callback runs.
#[repr(C)]
struct Hardware([u8; 0]);

/// What is known of the machine: the beginning of `qemu_info_t`, for system emulation.
#[repr(C)]
pub struct Info {
    target_name: *const c_char,
    version: [c_int; 2],
    system_emulation: bool,
    smp_vcpus: c_int,
    max_vcpus: c_int,
}

const NO_REGISTERS: c_int = 0;
const READS_AND_WRITES: c_int = 3;

unsafe extern "C" {
    safe fn qemu_plugin_register_vcpu_tb_trans_cb(id: u64, callback: extern "C" fn(u64, *mut Block));
    safe fn qemu_plugin_register_atexit_cb(
        id: u64,
        callback: extern "C" fn(u64, *mut c_void),
        data: *mut c_void,
    );
    fn qemu_plugin_tb_n_insns(block: *const Block) -> usize;
    fn qemu_plugin_tb_get_insn(block: *const Block, index: usize) -> *mut Instruction;
    fn qemu_plugin_insn_data(instruction: *const Instruction) -> *const u8;
    fn qemu_plugin_insn_size(instruction: *const Instruction) -> usize;
    fn qemu_plugin_insn_vaddr(instruction: *const Instruction) -> u64;
    fn qemu_plugin_register_vcpu_insn_exec_cb(
        instruction: *mut Instruction,
        callback: extern "C" fn(c_uint, *mut c_void),
        flags: c_int,
        data: *mut c_void,
    );
    fn qemu_plugin_register_vcpu_mem_cb(
        instruction: *mut Instruction,
        callback: extern "C" fn(c_uint, u32, u64, *mut c_void),
        flags: c_int,
        which: c_int,
        data: *mut c_void,
    );
    safe fn qemu_plugin_mem_size_shift(info: u32) -> c_uint;
    safe fn qemu_plugin_mem_is_store(info: u32) -> bool;
    safe fn qemu_plugin_get_hwaddr(info: u32, address: u64) -> *mut Hardware;
    fn qemu_plugin_hwaddr_is_io(hardware: *const Hardware) -> bool;
    fn qemu_plugin_hwaddr_phys_addr(hardware: *const Hardware) -> u64;
}

static WITNESS: OnceLock<Witness> = OnceLock::new();

/// Bits of an address in what a callback is given; the class is above them.
const ADDRESS_BITS: u32 = 48;

/// Called once, when QEMU has loaded this.
///
/// # Safety
/// QEMU's: `info` is valid, `words` are `count` strings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qemu_plugin_install(
    id: u64,
    info: *const Info,
    count: c_int,
    words: *const *const c_char,
) -> c_int {
    // SAFETY: QEMU hands over a description that is valid for this call.
    let info = unsafe { &*info };
    let count = usize::try_from(count).unwrap_or(0);
    let words: &[*const c_char] = match count {
        0 => &[],
        // SAFETY: as many pointers as QEMU says.
        _ => unsafe { slice::from_raw_parts(words, count) },
    };
    // SAFETY: each is a string that lives as long as the plugin is loaded.
    let words = words.iter().map(|word| unsafe { CStr::from_ptr(*word) });
    let words: Vec<String> = words.map(|word| word.to_string_lossy().into_owned()).collect();
    let cpus = usize::try_from(info.max_vcpus).unwrap_or(0);
    match settings(&words, cpus) {
        Ok(settings) if info.system_emulation => {
            let _ = WITNESS.set(Witness::new(settings));
            qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
            qemu_plugin_register_atexit_cb(id, on_exit, std::ptr::null_mut());
            0
        }
        Ok(_) => refuse("for whole machines only"),
        Err(error) => refuse(&error),
    }
}

fn refuse(why: &str) -> c_int {
    eprintln!("witness: {why}");
    1
}

fn settings(words: &[String], cpus: usize) -> Result<Settings, String> {
    let value = |name: &str| {
        let pairs = words.iter().filter_map(|word| word.split_once('='));
        pairs.rev().find(|(key, _)| *key == name).map(|(_, value)| value)
    };
    let report = value("report").ok_or("report=FILE is missing")?;
    let kernel = value("kernel").ok_or("kernel=ELF is missing")?;
    Ok(Settings {
        report: report.into(),
        cpu_number: numbers::cpu_number(Path::new(kernel))?,
        cpus,
    })
}

extern "C" fn on_translation(_: u64, block: *mut Block) {
    let Some(witness) = WITNESS.get() else {
        return;
    };
    // SAFETY: the block is valid as long as this callback runs.
    let count = unsafe { qemu_plugin_tb_n_insns(block) };
    for index in 0..count {
        // SAFETY: `index` is below their number; the instruction is valid as long as the block.
        let (instruction, address, bytes) = unsafe {
            let instruction = qemu_plugin_tb_get_insn(block, index);
            let (data, size) = (
                qemu_plugin_insn_data(instruction),
                qemu_plugin_insn_size(instruction),
            );
            (
                instruction,
                qemu_plugin_insn_vaddr(instruction),
                slice::from_raw_parts(data, size),
            )
        };
        let class = Class::of(bytes, address, witness.settings.cpu_number);
        let data = without_provenance_mut(pack(class, address) as usize);
        // SAFETY: the instruction is valid; the data is a number, which the callbacks do not follow.
        unsafe {
            qemu_plugin_register_vcpu_insn_exec_cb(instruction, on_instruction, NO_REGISTERS, data);
            qemu_plugin_register_vcpu_mem_cb(instruction, on_access, NO_REGISTERS, READS_AND_WRITES, data);
        }
    }
}

fn pack(class: Class, address: u64) -> u64 {
    u64::from(class.bits()) << ADDRESS_BITS | address & ((1 << ADDRESS_BITS) - 1)
}

fn unpack(data: *mut c_void) -> (Class, u64) {
    let word = data.addr() as u64;
    let class = Class::from_bits((word >> ADDRESS_BITS) as u16);
    (class, word & ((1 << ADDRESS_BITS) - 1))
}

extern "C" fn on_instruction(cpu: c_uint, data: *mut c_void) {
    if let Some(witness) = WITNESS.get() {
        let (class, address) = unpack(data);
        witness.on_instruction(cpu, class, address);
    }
}

extern "C" fn on_access(cpu: c_uint, info: u32, address: u64, data: *mut c_void) {
    let Some(witness) = WITNESS.get().filter(|witness| witness.is_traced(cpu)) else {
        return;
    };
    let hardware = qemu_plugin_get_hwaddr(info, address);
    if hardware.is_null() {
        return;
    }
    // SAFETY: the handle is valid as long as this callback runs.
    let (is_device, physical) = unsafe {
        (
            qemu_plugin_hwaddr_is_io(hardware),
            qemu_plugin_hwaddr_phys_addr(hardware),
        )
    };
    // Each CPU's own APIC lies at one address.
    if !is_device {
        let bytes = 1 << qemu_plugin_mem_size_shift(info);
        let (_, by) = unpack(data);
        witness.on_access(cpu, (physical, bytes), qemu_plugin_mem_is_store(info), by);
    }
}

extern "C" fn on_exit(_: u64, _: *mut c_void) {
    if let Some(Err(error)) = WITNESS.get().map(Witness::write) {
        eprintln!("witness: {error}");
    }
}
