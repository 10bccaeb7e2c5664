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
        number::DESTROY,
        number::STATS,
        number::ATTACH,
    ];
    assert_eq!(numbers, [1, 2, 3, 4, 6, 7, 16]);
    assert_eq!((percpu::PROTOCOL_VERSION, percpu::INIT_BADGE), (1, 1));
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
    ];
    let labels: Vec<u64> = golden.iter().map(|refusal| refusal.encode().label).collect();
    assert_eq!(labels, (1..=16).collect::<Vec<u64>>());
}
