#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod alloc_info;
mod allocator;
mod chunk;
mod firmware;
mod id;
mod page_map;
mod topology;

pub use alloc_info::{
    AllocInfo, DYNAMIC_EARLY_SIZE, EmbedReport, Group, GroupSpan, LOCAL_DISTANCE, Layout, MIN_UNIT_SIZE,
    PageReport, PlaceError, Placement, REMOTE_DISTANCE, SetupFacts, ShapeError, Sizes, SpareRange,
    exceeds_three_quarters, max_distance,
};
pub use allocator::{
    AllocateError, Allocator, AllocatorSetup, AllocatorStats, AreaOf, Backing, ChunkId, EMPTY_PAGES_HIGH,
    EMPTY_PAGES_LOW, Handle, HandleError, HandleRecord, HandleTable, ListedChunk, MemoryUse, NoFrames,
    OwnedAllocateError, OwnedReleaseError, OwnerId, Part, ReleaseError, Request, SetupError,
};
pub use chunk::{
    Area, AreaNeed, AreaRequest, Chunk, ChunkError, ChunkStats, ChunkStorage, Damage, FirstParts, FreeError,
    FreeRule, Hints, MAX_AREA_ALIGN, MAX_AREA_SIZE, MAX_CHUNK_PAGES, MIN_AREA_SIZE, NeedError, NoFit,
    PinnedPage, PopulateError, Reach, Slots, UnitPart, size_to_slot,
};
pub use firmware::{
    Affinities, IoApicEntry, Line, Madt, MadtEntry, Processors, RootKind, Slit, Srat, SratEntry, TableError,
};
pub use id::{ApicId, CpuId, MAX_CPUS, MAX_NODES, NodeId, PAGE_SIZE, ProximityDomain, UnitOffset};
pub use page_map::{PageMap, PageMapError, PageNeed, PageRange, page_map_words};
pub use topology::{ApicMode, Complaint, FirmwareTables, MAX_MEMORY_RANGES, MemoryRange, Topology};
