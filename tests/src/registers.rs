//! QEMU's answer to `info registers -a`: what every CPU is doing, seen from outside.

/// What matters of one CPU's registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Registers {
    /// The base that GS-relative instructions use now.
    pub gs_base: u64,
    /// The privilege level: 0 is the kernel, 3 a program.
    pub privilege: u8,
    /// The instruction pointer.
    pub instruction: u64,
    /// The stack pointer.
    pub stack: u64,
    /// Where its page tables begin.
    pub cr3: u64,
    /// Protections, and whether the FPU may be used.
    pub cr0: u64,
    /// More protections.
    pub cr4: u64,
    /// Whether pages can forbid execution.
    pub efer: u64,
    /// Waiting for an interrupt.
    pub is_halted: bool,
    /// Whether interrupts that can be masked come through.
    pub takes_interrupts: bool,
}

/// Of RFLAGS.
const INTERRUPT_FLAG: u64 = 1 << 9;

/// All CPUs, by QEMU's number, which is the order of their APIC ids.
pub fn registers(dump: &str) -> Result<Vec<Registers>, String> {
    let mut cpus = dump.split("CPU#").skip(1).peekable();
    if cpus.peek().is_none() {
        return Err(format!("no CPU in QEMU's register dump:\n{dump}"));
    }
    cpus.map(|cpu| one(cpu).ok_or_else(|| format!("QEMU's register dump is not understood:\nCPU#{cpu}")))
        .collect()
}

fn one(dump: &str) -> Option<Registers> {
    let segment = dump.lines().find_map(|line| line.trim().strip_prefix("GS ="))?;
    let base = segment.split_whitespace().nth(1)?;
    let flag = |name: &str| {
        let at = dump.find(name)? + name.len();
        dump.get(at..)?.split_whitespace().next()
    };
    let word = |name: &str| u64::from_str_radix(flag(name)?, 16).ok();
    Some(Registers {
        gs_base: u64::from_str_radix(base, 16).ok()?,
        privilege: flag("CPL=")?.parse().ok()?,
        instruction: u64::from_str_radix(flag("RIP=").or_else(|| flag("EIP="))?, 16).ok()?,
        stack: u64::from_str_radix(flag("RSP=").or_else(|| flag("ESP="))?, 16).ok()?,
        cr3: word("CR3=")?,
        cr0: word("CR0=")?,
        cr4: word("CR4=")?,
        efer: word("EFER=")?,
        is_halted: flag("HLT=")? == "1",
        takes_interrupts: word("RFL=").or_else(|| word("EFL="))? & INTERRUPT_FLAG != 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUMP: &str = "\r\nCPU#0\r\n\
        RAX=0000000000000000 RBX=00000000000021e0 RSP=ffff800000111ff0\r\n\
        RIP=ffffffff80200064 RFL=00000046 [---Z-P-] CPL=0 II=0 A20=1 SMM=0 HLT=1\r\n\
        FS =0000 0000000000000000 00000000 00000000\r\n\
        GS =0000 ffff800083dd8000 00000000 00000000\r\n\
        CR0=80010033 CR2=0000000000000000 CR3=000000000259c000 CR4=00000020\r\n\
        EFER=0000000000000d00\r\n\
        \r\nCPU#1\r\n\
        RSP=0000000000500000\r\n\
        RIP=0000000000400000 RFL=00000246 [---Z-P-] CPL=3 II=0 A20=1 SMM=0 HLT=0\r\n\
        GS =0000 0000100000200000 00000000 00000000\r\n\
        CR0=80010033 CR2=0000000000000000 CR3=0000000000001000 CR4=00000020\r\n\
        EFER=0000000000000d00\r\n";

    #[test]
    fn every_cpu_is_read() {
        let cpus = registers(DUMP).unwrap();
        let idle = Registers {
            gs_base: 0xffff_8000_83dd_8000,
            privilege: 0,
            instruction: 0xffff_ffff_8020_0064,
            stack: 0xffff_8000_0011_1ff0,
            cr3: 0x259_c000,
            cr0: 0x8001_0033,
            cr4: 0x20,
            efer: 0xd00,
            is_halted: true,
            takes_interrupts: false,
        };
        assert_eq!(cpus[0], idle);
        assert_eq!((cpus[1].privilege, cpus[1].gs_base), (3, 0x1000_0020_0000));
        assert_eq!(cpus.len(), 2);
    }

    #[test]
    fn anything_else_is_refused() {
        assert!(registers("").is_err());
        assert!(registers("CPU#0\r\nEAX=0").is_err());
    }
}
