//! The lock of the percpu server's protocol, as `numbers.rs` is the kernel's.

use abi::Message;
use abi::percpu::{self, Geometry, Grant, PercpuError, RegionId, Stats, number};

#[test]
fn percpu_requests() {
    let numbers = [
        number::HELLO,
        number::RESERVE,
        number::CREATE,
        number::POPULATE,
        number::DEPOPULATE,
        number::DESTROY,
        number::STATS,
        number::BATCH,
        number::MAP,
        number::POPULATED,
        number::ATTACH,
        number::SET_QUOTA,
        number::DRAIN,
        number::CPU_ONLINE,
        number::CPU_OFFLINE,
        number::TRACE,
    ];
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 16, 17, 18, 19, 20, 21]);
    assert_eq!(percpu::OBSERVER, 0x4000_0000_0000_0000);
    assert!(percpu::may_observe(1) && percpu::may_observe(percpu::OBSERVER | 7) && !percpu::may_observe(7));
    assert_eq!((percpu::PROTOCOL_VERSION, percpu::INIT_BADGE), (2, 1));
    let region = RegionId {
        index: 2,
        generation: 3,
    };
    assert_eq!(region.encode(), 0x3_0000_0002);
    let create = percpu::Request::Create {
        unit_bytes: 4096,
        populate: percpu::Populate::All,
        name: *b"abcdefghi\0\0\0\0\0\0\0",
    };
    let words = [4096, 1, 0x6867_6665_6463_6261, 0x69, 0, 0];
    assert_eq!(create.encode(), Message::new(3, words));
    assert_eq!(
        (percpu::NUMBER_WORD, percpu::MAX_REQUEST_NUMBER),
        (5, 0xff_ffff_ffff)
    );
    assert_eq!(create.numbered(7).words[5], 7);
    let modes = [
        percpu::Populate::None,
        percpu::Populate::All,
        percpu::Populate::OnTouch,
    ];
    assert_eq!(modes.map(|mode| mode as u64), [0, 1, 2]);
    assert_eq!(percpu::unit_pages(2 << 20), 511);
}

/// Answers lie in the words in the order of their fields.
#[test]
fn percpu_answers() {
    let words = [1, 2, 3, 4, 5, 6];
    let geometry = Geometry {
        version: 1,
        possible_cpus: 2,
        stride: 3,
        quota_pages: 4,
        reserved_free: 5,
        reserved_pages: 6,
    };
    assert_eq!(Geometry::decode(&words), geometry);
    let stats = Stats {
        clients: 1,
        regions: 2,
        reserved_used: 3,
        dynamic_used: 4,
        refused: 5,
        malformed: 6,
    };
    assert_eq!(Stats::decode(&words), stats);
    let grant = Grant {
        region: RegionId {
            index: 1,
            generation: 0,
        },
        offset: 2,
        bytes: 3,
    };
    assert_eq!(Grant::decode(&words), grant);
}

#[test]
fn percpu_refusals() {
    use PercpuError::*;
    let golden = [
        UnknownRequest(1),
        Malformed(1),
        VersionMismatch(1),
        ReservedExhausted { free: 1 },
        QuotaExceeded { limit: 1, used: 2 },
        WindowFull,
        BadSize(1),
        BadAlign,
        NodeExhausted(1),
        NoSuchRegion,
        StaleGeneration,
        BadRange(1),
        NotPermitted,
        NotAttached,
        ServerFull(1),
        Kernel(1),
        NotYours,
        StaleRequest(1),
        BadBuffer(1),
        CpuRefused(1),
    ];
    let labels: Vec<u64> = golden.iter().map(|refusal| refusal.encode().label).collect();
    assert_eq!(labels, (1..=20).collect::<Vec<u64>>());
}

#[test]
fn supervisor_requests() {
    use abi::supervisor::Request::*;
    let golden = [
        (Launch([1, 2, 3]), 1, [1, 2, 3, 0, 0, 0]),
        (ArmServer([1, 2]), 2, [1, 2, 0, 0, 0, 0]),
        (ArmNextServer([1, 2]), 3, [1, 2, 0, 0, 0, 0]),
        (Restarts, 4, [0; 6]),
        (SetQuota(1), 5, [1, 0, 0, 0, 0, 0]),
        (Drain, 6, [0; 6]),
        (EndServer, 7, [0; 6]),
        (Machine, 8, [0; 6]),
        (SetCpu([1, 2]), 9, [1, 2, 0, 0, 0, 0]),
        (Frames, 16, [0; 6]),
    ];
    for (request, label, words) in golden {
        let message = Message::new(label, words);
        assert_eq!(request.encode(), message);
        assert_eq!(abi::supervisor::Request::decode(&message), Some(request));
        let mut extra = message;
        extra.words[5] = 1;
        assert_eq!(abi::supervisor::Request::decode(&extra), None);
    }
    assert_eq!(abi::supervisor::Request::decode(&Message::new(10, [0; 6])), None);
    assert_eq!(abi::supervisor::REFUSED, 1);
}

/// Shared memory: places of words, and what they come to.
#[test]
fn percpu_memory() {
    use percpu::{batch, ledger, map};
    assert_eq!(
        (batch::ENTRY_WORDS, batch::MOST_ENTRIES, batch::ANSWER_WORD),
        (16, 128, 8)
    );
    assert_eq!((batch::TO_DO, batch::ANSWERED), (0, 1));
    let message = Message::new(1, [2, 3, 4, 5, 6, 7]);
    let mut entry = batch::entry(&message);
    assert_eq!(entry, [0, 1, 2, 3, 4, 5, 6, 7, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(
        (batch::request(&entry), batch::answer(&entry)),
        (Some(message), None)
    );
    entry[0] = batch::ANSWERED;
    entry[8..15].copy_from_slice(&[1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(
        (batch::request(&entry), batch::answer(&entry)),
        (None, Some(message))
    );
    assert_eq!((map::HEAD_WORDS, map::ENTRY_WORDS, map::MOST_PAGES), (32, 8, 64));
    let entry = map::Entry::decode(&[1, 2, 3, 4, 5, 6, 7, 8]);
    let fields = [
        entry.badge,
        entry.region,
        entry.first,
        entry.pages,
        entry.kind,
        entry.held,
    ];
    assert_eq!((fields, entry.name), ([1, 2, 3, 4, 5, 6], [7, 8]));
    assert_eq!(entry.encode(), [1, 2, 3, 4, 5, 6, 7, 8]);
    use map::head::{CHUNKS, CHUNKS_AT, DYNAMIC_CLEAN, OWNERS};
    let last = [DYNAMIC_CLEAN, CHUNKS, CHUNKS_AT, OWNERS];
    assert_eq!((last, map::CHUNK_WORDS), ([28, 29, 30, 31], 8));
    let owner = map::Owner::decode(&[1, 2, 3, 4]);
    assert_eq!((owner.badge, owner.name, owner.held), (1, [2, 3], 4));
    assert_eq!((owner.encode(), map::OWNER_WORDS), ([1, 2, 3, 4], 4));
    let chunk = map::Chunk::decode(&[1, 2, 3, 4, 5, 6, 7, 8]);
    let fields = [chunk.kind, chunk.owner, chunk.pages, chunk.used];
    assert_eq!(fields, [1, 2, 3, 4]);
    let fields = [chunk.clean, chunk.free_rows, chunk.longest_row, chunk.quota];
    assert_eq!((fields, chunk.encode()), ([5, 6, 7, 8], [1, 2, 3, 4, 5, 6, 7, 8]));
    use map::ChunkKind::{Dynamic, First, OnTouch, Reserved, Window};
    let chunks = [Reserved, First, Dynamic, OnTouch, Window];
    assert_eq!(chunks.map(|kind| kind as u64), [0, 1, 2, 3, 4]);
    assert!((0..6).all(|word| map::ChunkKind::from_word(word).is_some() == (word < 5)));
    let kinds = [
        map::Kind::Static,
        map::Kind::Reserved,
        map::Kind::Dynamic,
        map::Kind::OnTouch,
    ];
    assert_eq!(kinds.map(|kind| kind as u64), [0, 1, 2, 3]);
    assert!(
        (0..5).all(|word| map::Kind::from_word(word).map(|kind| kind as u64) == (word < 4).then_some(word))
    );
    assert_eq!(
        (ledger::PAGES, ledger::MOST_WINDOWS, ledger::ROSTER_WORDS),
        (264, 63, 127)
    );
    let windows = [1, 2].map(|badge| ledger::Window {
        badge,
        window: abi::Handle(badge + 10),
    });
    let mut words = [9; ledger::ROSTER_WORDS];
    ledger::write_roster(&mut words, windows.into_iter());
    assert_eq!(words[..6], [2, 1, 11, 2, 12, 0]);
    assert!(ledger::roster(&words).eq(windows));
    words[0] = u64::MAX;
    assert_eq!(ledger::roster(&words).count(), 63);
}

/// Events of the trace.
#[test]
fn percpu_trace() {
    use percpu::trace::{self, Event, EventKind};
    let sizes = (trace::MOST_EVENTS, trace::EVENT_WORDS, trace::MOST_PAGES);
    assert_eq!(sizes, (255, 10, 5));
    assert!(trace::MOST_EVENTS * trace::EVENT_WORDS as u64 * 8 <= trace::MOST_PAGES * abi::PAGE_SIZE);
    let words = [1, 0x05_04_03_02, 6, 7, 8, 9, 10, 11, 12, 13];
    let event = Event {
        sequence: 1,
        kind: 2,
        request: 3,
        pool: 4,
        refusal: 5,
        badge: 6,
        name: [7, 8],
        region: 9,
        bytes: 10,
        align: 11,
        offset: 12,
        more: 13,
    };
    assert_eq!((event.encode(), Event::decode(&words)), (words, event));
    let quota = PercpuError::QuotaExceeded { limit: 12, used: 13 };
    assert_eq!(event.cause(), Some(quota));
    assert_eq!(Event { refusal: 0, ..event }.cause(), None);
    use EventKind::{Alloc, AllocFail, ClientEnd, CreateChunk, DestroyChunk, Free, ServerStart};
    let kinds = [
        Alloc,
        Free,
        AllocFail,
        CreateChunk,
        DestroyChunk,
        ClientEnd,
        ServerStart,
    ];
    assert_eq!(kinds.map(|kind| kind as u64), [1, 2, 3, 4, 5, 6, 7]);
    let known = |word| EventKind::from_word(word).map(|kind| kind as u64);
    assert!((0..9).all(|word| known(word) == (1..8).contains(&word).then_some(word)));
}

/// No number of a node is printed where there is none.
#[test]
fn percpu_refusals_in_words() {
    let none = PercpuError::NodeExhausted(percpu::NO_NODE).to_string();
    assert_eq!(
        none,
        "NodeExhausted: no node in particular, the pools may have no more frames"
    );
    assert_eq!(PercpuError::NodeExhausted(3).to_string(), "NodeExhausted(3)");
}
