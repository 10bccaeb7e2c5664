//! The lock of the contract: every number, every place in a register or a page, written out once more.
//!
//! A line that has to change here is a change of the contract. Numbers are never used again for something
//! else, so a line may be added, and none may be altered. The percpu server's are in `percpu_numbers.rs`.

use abi::fault::{self, Fault, FaultRegisters, Verdict};
use abi::message::gift;
use abi::syscall::{CpuMask, End, MemoryKind, Placement, access};
use abi::window::{self, header};
use abi::{Call, Handle, Message, Registers, Rights, Status, mark, message, start, syscall};

#[test]
fn marks() {
    assert_eq!(mark::OPCODE, [0x0f, 0x1f, 0x80]);
    let golden = [
        (mark::ROW, 0x5e11_0001),
        (mark::BEGIN, 0x5e11_0002),
        (mark::BEGIN_TRACED, 0x5e11_0003),
        (mark::END, 0x5e11_0004),
        (mark::REST, 0x5e11_0005),
    ];
    golden.iter().for_each(|(mark, number)| assert_eq!(mark, number));
}

#[test]
fn calls() {
    let golden = [
        (Call::Nothing, 0),
        (Call::Call, 1),
        (Call::ReplyReceive, 2),
        (Call::Receive, 3),
        (Call::Reply, 4),
        (Call::MessagePage, 5),
        (Call::ProcessPriority, 7),
        (Call::EndpointCreate, 8),
        (Call::NotificationCreate, 9),
        (Call::NotificationSignal, 10),
        (Call::NotificationWait, 11),
        (Call::NotificationCollect, 12),
        (Call::NotificationBind, 13),
        (Call::ProcessCreate, 16),
        (Call::ProcessStats, 17),
        (Call::ProcessEnd, 18),
        (Call::Wait, 19),
        (Call::ProcessExit, 20),
        (Call::DeathNotice, 21),
        (Call::ThreadLend, 23),
        (Call::ThreadCreate, 24),
        (Call::ThreadExit, 25),
        (Call::ThreadYield, 26),
        (Call::ThreadAffinity, 27),
        (Call::ThreadFaults, 28),
        (Call::FaultRegisters, 29),
        (Call::FaultSetRegisters, 30),
        (Call::ThreadPriority, 31),
        (Call::MemoryCreate, 32),
        (Call::MemoryMap, 33),
        (Call::MemoryUnmap, 34),
        (Call::MemoryQuery, 35),
        (Call::WindowMap, 40),
        (Call::WindowUnmap, 41),
        (Call::WindowFill, 42),
        (Call::WindowQuery, 43),
        (Call::WindowMapList, 44),
        (Call::WindowNote, 45),
        (Call::WindowMemory, 46),
        (Call::WindowPopulated, 47),
        (Call::CapabilityGrant, 48),
        (Call::CapabilityDrop, 49),
        (Call::InterruptCreate, 72),
        (Call::InterruptBind, 73),
        (Call::InterruptAcknowledge, 74),
        (Call::PortsCreate, 75),
        (Call::PortRead, 76),
        (Call::PortWrite, 77),
        (Call::MachineStats, 50),
        (Call::CapabilityRevoke, 51),
        (Call::CapabilityAccept, 52),
        (Call::CapabilityReceived, 53),
        (Call::ConsoleWrite, 56),
        (Call::MachineExit, 57),
        (Call::DebugEndAt, 58),
        (Call::CpuOffline, 60),
        (Call::CpuOnline, 61),
        (Call::CpuNotice, 62),
        (Call::ParkedExchange, 63),
        (Call::MemoryClean, 64),
    ];
    let listed: Vec<(Call, u64)> = Call::ALL.iter().map(|call| (*call, *call as u64)).collect();
    assert_eq!(listed, golden);
}

#[test]
fn statuses() {
    let golden = [
        (Status::Ok, 0),
        (Status::UnknownCall, 1),
        (Status::NoSuchHandle, 2),
        (Status::StaleHandle, 3),
        (Status::WrongKind, 4),
        (Status::MissingRight, 5),
        (Status::BadArgument, 6),
        (Status::BadAddress, 7),
        (Status::Misaligned, 8),
        (Status::NodeExhausted, 9),
        (Status::AccountExhausted, 10),
        (Status::TableFull, 11),
        (Status::ReplyLost, 12),
        (Status::NoCaller, 13),
        (Status::AlreadyMapped, 14),
        (Status::NotMapped, 15),
        (Status::ProcessEnded, 16),
        (Status::PageInUse, 17),
        (Status::NotOnline, 18),
        (Status::HeapExhausted, 19),
        (Status::Bound, 20),
        (Status::BootCpu, 21),
        (Status::NotFaulted, 22),
        (Status::PriorityTooHigh, 23),
        (Status::EndpointsExhausted, 24),
        (Status::NoMessagePage, 25),
        (Status::BeingRevoked, 26),
        (Status::TooDeep, 27),
        (Status::TooManyCapabilities, 28),
        (Status::AlreadyOnline, 30),
        (Status::CpusChanging, 31),
        (Status::NotPresent, 32),
        (Status::InUse, 37),
    ];
    let listed: Vec<(Status, u64)> = Status::ALL
        .iter()
        .map(|status| (*status, *status as u64))
        .collect();
    assert_eq!(listed, golden);
}

#[test]
fn limits() {
    assert_eq!(abi::ABI_VERSION, 2);
    assert_eq!(abi::PAGE_SIZE, 4096);
    assert_eq!(abi::MAX_CPUS, 256);
    assert_eq!(message::MESSAGE_WORDS, 6);
    assert_eq!((message::MORE_WORDS, message::LONG_WORDS), (4, 10));
    assert_eq!(message::IN_PAGE.0, u64::MAX);
    assert_eq!(message::MOST_GIFTS, 4);
    assert_eq!([gift::LIST, gift::MOVED], [1 << 63, 1 << 32]);
    assert_eq!(gift::BYTES, 24);
    assert_eq!(gift::place(1 << 63 | 0x7000 | 3), Some((0x7000, 3)));
    assert_eq!(gift::place(1 << 63 | 0x7000), None);
    assert_eq!(gift::place(1 << 63 | 0x7005), None);
    assert_eq!(syscall::NOTIFICATION_BADGE, 0xffff_ffff_ffff_ffff);
    assert_eq!(syscall::ANY_CPU, 0xffff_ffff_ffff_ffff);
    assert_eq!((syscall::PRIORITIES, syscall::DEFAULT_PRIORITY), (8, 3));
    assert_eq!(syscall::MAX_MEMORY_PAGES, 65_536);
    assert_eq!(syscall::MAX_CONSOLE_BYTES, 512);
    assert_eq!(syscall::MAX_WINDOW_LIST, 128);
    assert_eq!([access::READ, access::WRITE, access::EXECUTE], [0, 1, 2]);
}

#[test]
fn rights() {
    let bits = [
        Rights::READ,
        Rights::WRITE,
        Rights::SEND,
        Rights::RECEIVE,
        Rights::GRANT,
        Rights::MANAGE,
    ];
    assert_eq!(bits.map(|right| right.0), [1, 2, 4, 8, 16, 32]);
    assert_eq!((Rights::NONE.0, Rights::ALL.0), (0, 63));
    for word in (0..200).chain([1 << 32, u64::MAX]) {
        assert_eq!(Rights::from_word(word).is_some(), word < 64, "{word}");
    }
}

#[test]
fn handles() {
    assert_eq!(Handle::NONE.0, 0);
    assert_eq!(Handle::new(0x1234, 0x5678_9abc).0, 0x0000_5678_9abc_1234);
}

/// A message lies in the registers as `[endpoint or badge, label, six words, capability]`.
#[test]
fn register_order() {
    let message = Message::new(2, [3, 4, 5, 6, 7, 8]).with_capability(Handle(9));
    let registers = Registers::message(1, &message);
    assert_eq!(registers.0, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(Registers::of(&[1, 2]).0, [1, 2, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn call_records() {
    assert_eq!(Placement::Anywhere.encode(), u64::MAX);
    assert_eq!(Placement::PerCpu.encode(), u64::MAX - 1);
    assert_eq!(Placement::PerCpuOnTouch.encode(), u64::MAX - 2);
    let kinds = [
        MemoryKind::Plain,
        MemoryKind::PerCpu,
        MemoryKind::PerCpuOnTouch,
        MemoryKind::FirstChunk,
    ];
    assert_eq!(kinds.map(|kind| kind as u64), [0, 1, 2, 3]);
    assert_eq!(Placement::Node(7).encode(), 7);
    assert_eq!(End::Exited(7).encode(), [0, 7, 0, 0]);
    let fault = End::Faulted {
        vector: 14,
        address: 2,
        instruction: 3,
    };
    assert_eq!(fault.encode(), [1, 14, 2, 3]);
    assert_eq!(End::Killed.encode(), [2, 0, 0, 0]);
    assert_eq!(
        [syscall::Moment::Before as u64, syscall::Moment::After as u64],
        [0, 1]
    );
    assert_eq!(syscall::Moment::from_word(2), None);
    assert_eq!(CpuMask::only(65).0, [0, 2, 0, 0]);
}

/// A fault is told as `[badge, vector, error, address, instruction, stack, flags, thread]`.
#[test]
fn faults() {
    let fault = Fault {
        vector: 1,
        error: 2,
        address: 3,
        instruction: 4,
        stack: 5,
        flags: 6,
        thread: 7,
    };
    assert_eq!(fault.encode(), Message::new(1, [2, 3, 4, 5, 6, 7]));
    assert_eq!(Fault::decode(&fault.encode()), fault);
    let verdicts = [Verdict::Resume, Verdict::ResumeAt, Verdict::End];
    assert_eq!(verdicts.map(|verdict| verdict as u64), [0, 1, 2]);
    assert_eq!([0, 1, 2].map(Verdict::from_word), verdicts.map(Some));
    assert_eq!(Verdict::from_word(3), None);
    assert_eq!(fault::USER_FLAGS, 0x24_0dd5);
    let words: [u64; 18] = core::array::from_fn(|index| index as u64);
    let registers = FaultRegisters::decode(&words);
    assert_eq!(registers.general[14], 14);
    assert_eq!(
        [registers.instruction, registers.stack, registers.flags],
        [15, 16, 17]
    );
    assert_eq!(registers.encode(), words);
}

#[test]
fn window() {
    assert_eq!(window::WINDOW_BASE, 0x1000_0000_0000);
    assert_eq!(window::DEFAULT_STRIDE, 0x400_0000);
    assert_eq!(window::STATIC_FIRST_PAGE, 1);
    assert_eq!(window::TEMPLATE_SEGMENT_TYPE, 0x6ca5_ad01);
    let words = [
        header::UNIT_BASE,
        header::CPU,
        header::NODE,
        header::POSSIBLE_CPUS,
        header::ONLINE_CPUS,
        header::TOPOLOGY_GENERATION,
        header::STRIDE,
        header::VERSION,
        header::NODES,
        header::ONLINE,
    ];
    assert_eq!(words, [0, 8, 16, 24, 32, 40, 48, 56, 64, 72]);
}

#[test]
fn start_page() {
    assert_eq!(start::START_INFO_ADDRESS, 0x7000_0000);
    assert_eq!(start::MODULE_ADDRESS, 0x1_0000_0000);
    assert_eq!((start::START_WORDS, start::NAME_OFFSET), (24, 192));
    assert_eq!((start::NAME_BYTES, start::ARGUMENT_OFFSET), (32, 224));
    assert_eq!(start::ARGUMENT_BYTES, 1024);
    let words: [u64; 21] = core::array::from_fn(|index| index as u64 + 2);
    let mut page = [0; start::START_WORDS];
    page[0] = 0x6e6f_696c_6573;
    page[1] = 2;
    page[2..23].copy_from_slice(&words);
    let info = start::StartInfo::decode(&page).unwrap();
    let h = info.handover;
    let fields = [
        info.process.0,
        info.console.0,
        info.percpu.0,
        info.quota_pages,
        info.name_bytes,
        info.argument_bytes,
        h.machine.0,
        h.reserved.0,
        h.reserved_pages,
        h.dynamic.0,
        h.dynamic_pages,
        h.possible_cpus,
        h.online_cpus,
        h.nodes,
        h.stride,
        h.module_bytes,
        info.supervisor.0,
        h.pool.0,
        h.ledger.0,
        info.interrupt.0,
        info.ports.0,
    ];
    assert_eq!(fields, words);
}
