//! Every record comes back as it was sent, and no words from outside can do more than be refused.

use abi::percpu::{
    Geometry, Grant, MAX_REQUEST_NUMBER, Numbered, PercpuError, Populate, RegionId, Request, Stats,
};
use abi::start::{Handover, START_WORDS, StartError, StartInfo};
use abi::syscall::{CpuMask, End, Placement};
use abi::{Call, Handle, Message, Registers, Rights, Status};
use proptest::prelude::*;

/// Words that hit borders more often than chance does.
fn word() -> impl Strategy<Value = u64> {
    prop_oneof![
        any::<u64>(),
        0..20u64,
        Just(u64::MAX),
        (0..64u32).prop_map(|bit| 1 << bit)
    ]
}

fn message() -> impl Strategy<Value = Message> {
    let label = prop_oneof![0..24u64, word()];
    let words = prop::array::uniform6(prop_oneof![Just(0), word()]);
    let capability = prop_oneof![Just(0), word()].prop_map(Handle);
    (label, words, capability).prop_map(|(label, words, capability)| Message {
        label,
        words,
        capability,
    })
}

fn region() -> impl Strategy<Value = RegionId> {
    word().prop_map(RegionId::decode)
}

fn name() -> impl Strategy<Value = [u8; 16]> {
    "[a-zäß]{0,8}".prop_map(|text| {
        let mut name = [0; 16];
        name[..text.len()].copy_from_slice(text.as_bytes());
        name
    })
}

fn owner() -> impl Strategy<Value = [u8; 16]> {
    "[!-~]{0,16}".prop_map(|text| {
        let mut name = [0; 16];
        name[..text.len()].copy_from_slice(text.as_bytes());
        name
    })
}

fn request() -> impl Strategy<Value = Request> {
    let populate = prop_oneof![Just(Populate::None), Just(Populate::All), Just(Populate::OnTouch)];
    prop_oneof![
        word().prop_map(|version| Request::Hello { version }),
        (word(), word(), name()).prop_map(|(bytes, align, name)| Request::Reserve { bytes, align, name }),
        (word(), populate, name()).prop_map(|(unit_bytes, populate, name)| Request::Create {
            unit_bytes,
            populate,
            name
        }),
        (region(), word(), word()).prop_map(|(region, page, count)| Request::Populate {
            region,
            page,
            count
        }),
        (region(), word(), word()).prop_map(|(region, page, count)| Request::Depopulate {
            region,
            page,
            count
        }),
        region().prop_map(|region| Request::Destroy { region }),
        (word(), any::<bool>()).prop_map(|(entries, is_kept)| Request::Batch { entries, is_kept }),
        Just(Request::Map),
        (region(), word()).prop_map(|(region, page)| Request::Populated { region, page }),
        (word(), word()).prop_map(|(badge, quota_pages)| Request::SetQuota { badge, quota_pages }),
        Just(Request::Drain),
        any::<u64>().prop_map(|cpu| Request::CpuOnline { cpu }),
        any::<u64>().prop_map(|cpu| Request::CpuOffline { cpu }),
        Just(Request::Stats),
        word().prop_map(|from| Request::Trace { from }),
        (word(), word(), word(), owner()).prop_map(|(badge, quota_pages, static_pages, name)| {
            Request::Attach {
                badge,
                quota_pages,
                static_pages,
                name,
            }
        }),
    ]
}

/// With a capability if it takes one.
fn sendable(request: &Request, number: u64) -> Message {
    let capability = Handle(u64::from(request.takes_capability()));
    request.numbered(number).with_capability(capability)
}

fn refusal() -> impl Strategy<Value = PercpuError> {
    use PercpuError::*;
    prop_oneof![
        word().prop_map(UnknownRequest),
        word().prop_map(Malformed),
        word().prop_map(VersionMismatch),
        word().prop_map(|free| ReservedExhausted { free }),
        (word(), word()).prop_map(|(limit, used)| QuotaExceeded { limit, used }),
        Just(WindowFull),
        word().prop_map(BadSize),
        Just(BadAlign),
        word().prop_map(NodeExhausted),
        Just(NoSuchRegion),
        Just(StaleGeneration),
        word().prop_map(BadRange),
        Just(NotPermitted),
        Just(NotAttached),
        Just(NotYours),
        word().prop_map(StaleRequest),
        word().prop_map(BadBuffer),
        word().prop_map(ServerFull),
        word().prop_map(Kernel),
    ]
}

proptest! {
    #[test]
    fn requests_come_back(request in request(), number in 1..=MAX_REQUEST_NUMBER) {
        let number = if request.is_change() { number } else { 0 };
        let message = sendable(&request, number);
        prop_assert_eq!(Request::decode(&message), Ok(Numbered { request, number }));
    }

    /// A request that changes something has a number, no other has.
    #[test]
    fn numbers_are_checked(request in request(), number in prop_oneof![Just(0), MAX_REQUEST_NUMBER + 1..]) {
        let decoded = Request::decode(&sendable(&request, number));
        let expected = match request.is_change() {
            true => Err(PercpuError::Malformed(5)),
            false if number == 0 => Ok(Numbered { request, number }),
            false => Err(PercpuError::Malformed(5)),
        };
        prop_assert_eq!(decoded, expected);
    }

    /// What is read as a request is that request: nothing in the message was ignored.
    #[test]
    fn garbage_is_no_request_or_a_whole_one(message in message()) {
        if let Ok(Numbered { request, number }) = Request::decode(&message) {
            prop_assert_eq!(request.numbered(number).with_capability(message.capability), message);
        }
    }

    #[test]
    fn one_bad_word_is_named(request in request(), at in 0..6usize, bad in 1..u64::MAX) {
        let mut message = sendable(&request, u64::from(request.is_change()));
        message.words[at] ^= bad;
        match Request::decode(&message) {
            Err(PercpuError::Malformed(index)) => prop_assert!(index <= at as u64),
            Err(other) => prop_assert!(false, "{:?}", other),
            Ok(other) => prop_assert_ne!(other, Numbered { request, number: u64::from(request.is_change()) }),
        }
    }

    #[test]
    fn refusals_come_back(refusal in refusal()) {
        prop_assert_eq!(PercpuError::from_answer(&refusal.encode()), Err(refusal));
    }

    #[test]
    fn garbage_answers_are_words_or_refusals(message in message()) {
        match PercpuError::from_answer(&message) {
            Ok(words) => prop_assert_eq!((message.label, words), (0, message.words)),
            Err(_) => prop_assert_ne!(message.label, 0),
        }
    }

    #[test]
    fn answers_come_back(words in prop::array::uniform6(word())) {
        let answer = |message: Message| PercpuError::from_answer(&message);
        prop_assert_eq!(answer(Geometry::decode(&words).encode()), Ok(words));
        prop_assert_eq!(answer(Stats::decode(&words).encode()), Ok(words));
        let grant = Grant::decode(&words);
        prop_assert_eq!(answer(grant.encode()).map(|words| Grant::decode(&words)), Ok(grant));
    }

    #[test]
    fn messages_come_back_from_registers(message in message(), first in word()) {
        let received = Registers::message(first, &message).received();
        prop_assert_eq!((received.badge, received.message), (first, message));
    }

    #[test]
    fn the_start_page_comes_back(words in prop::array::uniform19(word()), name in 0..=32u64, argument in 0..=1024u64) {
        let w = |index: usize| words[index];
        let handover = Handover {
            machine: Handle(w(0)), reserved: Handle(w(1)), reserved_pages: w(2), dynamic: Handle(w(3)),
            dynamic_pages: w(4), possible_cpus: w(5), online_cpus: w(6), nodes: w(7), stride: w(8),
            module_bytes: w(9), pool: Handle(w(14)), ledger: Handle(w(15)),
        };
        let info = StartInfo {
            process: Handle(w(10)), console: Handle(w(11)), percpu: Handle(w(12)), quota_pages: w(13),
            supervisor: Handle(w(16)), interrupt: Handle(w(17)), ports: Handle(w(18)),
            name_bytes: name, argument_bytes: argument, handover,
        };
        prop_assert_eq!(StartInfo::decode(&info.encode()), Ok(info));
    }

    #[test]
    fn a_foreign_start_page_is_refused(words in prop::array::uniform24(word())) {
        prop_assert_eq!(StartInfo::decode(&words), Err(StartError::NoMagic));
    }

    #[test]
    fn calls_and_statuses_are_their_numbers(word in word()) {
        if let Some(call) = Call::from_word(word) {
            prop_assert_eq!(call as u64, word);
        }
        if let Some(status) = Status::from_word(word) {
            prop_assert_eq!(status as u64, word);
        }
        prop_assert_eq!(Call::from_word(word).is_some(), Call::ALL.iter().any(|call| *call as u64 == word));
        prop_assert_eq!(Status::from_word(word).is_some(), Status::ALL.iter().any(|status| *status as u64 == word));
    }

    #[test]
    fn placements_ends_and_rights_are_their_words(words in prop::array::uniform4(word())) {
        if let Some(placement) = Placement::decode(words[0]) {
            prop_assert_eq!(placement.encode(), words[0]);
        }
        if let Some(end) = End::decode(words) {
            prop_assert_eq!(End::decode(end.encode()), Some(end));
        }
        let rights = Rights::from_word(words[0]).map(|rights| u64::from(rights.0));
        prop_assert_eq!(rights, (words[0] <= 63).then_some(words[0]));
    }

    #[test]
    fn a_handle_keeps_both_its_parts(index in any::<u16>(), generation in any::<u32>()) {
        let handle = Handle::new(index, generation);
        prop_assert_eq!((handle.index(), handle.generation()), (index.into(), generation.into()));
    }

    #[test]
    fn a_mask_of_one_cpu_holds_that_cpu(cpu in 0..300usize, other in 0..300usize) {
        let holds = CpuMask::only(cpu).contains(other);
        prop_assert_eq!(holds, cpu == other && cpu < abi::MAX_CPUS);
    }
}

#[test]
fn start_pages_of_another_version_or_with_long_texts_are_refused() {
    let good = StartInfo::default().encode();
    let with = |at: usize, value: u64| {
        let mut words: [u64; START_WORDS] = good;
        words[at] = value;
        StartInfo::decode(&words)
    };
    assert_eq!(with(1, 1), Err(StartError::VersionMismatch(1)));
    assert_eq!(with(6, 33), Err(StartError::BadLength));
    assert_eq!(with(7, u64::MAX), Err(StartError::BadLength));
}

#[test]
fn an_attachment_needs_a_window_and_nothing_else_takes_one() {
    let attach = Request::Attach {
        badge: 2,
        quota_pages: 1,
        static_pages: 0,
        name: [0; 16],
    };
    let refused = Err(PercpuError::Malformed(6));
    assert_eq!(Request::decode(&attach.numbered(1)), refused);
    let with_window = Request::Stats.encode().with_capability(Handle(5));
    assert_eq!(Request::decode(&with_window), refused);
}

/// What cannot be printed, and a gap, is no name of an owner; a name of 16 letters is one.
#[test]
fn a_name_of_an_owner_can_be_printed() {
    let named = |name: &[u8; 16]| Request::Attach {
        badge: 2,
        quota_pages: 1,
        static_pages: 0,
        name: *name,
    };
    let decode = |request: Request| Request::decode(&sendable(&request, 1)).map(|numbered| numbered.request);
    for good in [b"sixteen-letters!", &[0; 16], b"x\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"] {
        assert_eq!(decode(named(good)), Ok(named(good)));
    }
    for bad in [
        b"a\x1b[31m\0\0\0\0\0\0\0\0\0\0",
        b"a b\0\0\0\0\0\0\0\0\0\0\0\0\0",
        b"\0late\0\0\0\0\0\0\0\0\0\0\0",
        b"\xc3\xa4\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
    ] {
        assert_eq!(decode(named(bad)), Err(PercpuError::Malformed(3)));
    }
}
