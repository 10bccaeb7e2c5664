//! What can be seen of a chunk: its areas, the pages that they pin (Z5), and Linux's figures (O4), against
//! figures worked out from a list of areas.

use ledger::allocator;
use percpu_core::{
    Area, AreaNeed, AreaRequest, Chunk, ChunkStorage, Hints, Part, PinnedPage, Reach, Request, UnitPart,
};
use proptest::prelude::*;

mod ledger;

const PAGES: usize = 5;

fn need(size: usize) -> AreaNeed {
    AreaNeed::checked(AreaRequest { size, align: 4 }).expect("legal")
}

proptest! {
    #[test]
    fn figures_are_those_of_the_areas(
        steps in prop::collection::vec((any::<bool>(), 1..3000usize, any::<usize>()), 1..60),
        head in 0..1024usize,
        tail in 0..1024usize,
    ) {
        let (head, tail) = (head * 4, tail * 4);
        let (mut words, mut blocks) = ([0; ChunkStorage::words(PAGES)], [Hints::default(); PAGES]);
        let storage = ChunkStorage::split(&mut words, &mut blocks, PAGES).expect("enough");
        let part = UnitPart { offset: head, size: PAGES * 4096 - head - tail };
        let mut chunk = Chunk::first(storage, part).expect("a part");
        let mut areas: Vec<Area> = Vec::new();
        for (is_free, size, seed) in steps {
            if is_free && !areas.is_empty() {
                let area = areas.swap_remove(seed % areas.len());
                prop_assert_eq!(chunk.free(area.offset), Ok(area));
            } else {
                areas.extend(chunk.allocate(need(size), Reach::AllPages));
            }
            areas.sort_by_key(|area| area.offset);
            prop_assert_eq!(chunk.area_list().collect::<Vec<_>>(), areas.clone());
            check_figures(&chunk, &areas, head);
            for page in 0..PAGES {
                check_page(&chunk, &areas, page);
            }
        }
    }
}

fn check_figures(chunk: &Chunk<'_>, areas: &[Area], head: usize) {
    let stats = chunk.stats();
    let mut sizes: Vec<usize> = areas.iter().map(|area| area.size).collect();
    sizes.sort_unstable();
    let median = if sizes.is_empty() {
        0
    } else {
        sizes[(sizes.len() - 1) / 2]
    };
    let mut gaps = Vec::new();
    let mut behind = head;
    for area in areas {
        gaps.push(area.offset - behind);
        behind = area.offset + area.size;
    }
    assert_eq!(
        (stats.smallest, stats.median, stats.largest),
        (
            sizes.first().copied().unwrap_or(0),
            median,
            sizes.last().copied().unwrap_or(0)
        )
    );
    assert_eq!(
        (stats.fragments, stats.largest_fragment, stats.areas),
        (
            gaps.iter().sum(),
            gaps.iter().copied().max().unwrap_or(0),
            areas.len()
        )
    );
    assert_eq!(stats.longest_known, chunk.hints().contig as usize * 4);
    assert_eq!(stats.free_bytes, chunk.free_bytes());
}

fn check_page(chunk: &Chunk<'_>, areas: &[Area], page: usize) {
    let (start, end) = (page * 4096, (page + 1) * 4096);
    let within = |area: &&Area| area.offset < end && start < area.offset + area.size;
    let inside: Vec<Area> = areas.iter().filter(within).copied().collect();
    let taken_bytes = inside
        .iter()
        .map(|area| (area.offset + area.size).min(end) - area.offset.max(start))
        .sum();
    assert_eq!(chunk.areas_in_page(page).collect::<Vec<_>>(), inside);
    let areas = inside.len();
    let expected = (areas != 0).then_some(PinnedPage {
        page,
        areas,
        taken_bytes,
    });
    assert_eq!(
        chunk.pinned_pages(4096).find(|pinned| pinned.page == page),
        expected
    );
    assert_eq!(
        chunk.pinned_pages(500).any(|pinned| pinned.page == page),
        areas != 0 && taken_bytes <= 500
    );
}

/// Ten pages are filled with small areas and all but one of each page freed: what is left pins them.
#[test]
fn a_few_bytes_pin_pages_and_the_report_names_them() {
    let mut allocator = allocator(1000);
    let request = Request {
        need: need(64),
        reach: Reach::AllPages,
        part: Part::Dynamic,
    };
    let taken: Vec<_> = (0..64 * 13)
        .map(|_| allocator.allocate(request).expect("room"))
        .collect();
    let later: Vec<_> = taken.iter().filter(|area| area.chunk.number() == 1).collect();
    assert_eq!(later.len(), 64 * 10, "three pages are the first chunk's");
    for area in later.iter().filter(|area| area.area.offset % 4096 != 0) {
        allocator
            .release(area.chunk, area.area.offset)
            .expect("it is live");
    }
    let pinned: Vec<_> = allocator.pinned_pages(64).collect();
    assert_eq!(pinned.len(), 10);
    assert!(
        pinned
            .iter()
            .all(|(_, page)| (page.areas, page.taken_bytes) == (1, 64))
    );
    let (chunk, page) = pinned[3];
    let listed = allocator
        .chunks()
        .find(|listed| listed.id == chunk)
        .expect("it is listed");
    let culprit: Vec<_> = listed.chunk.areas_in_page(page.page).collect();
    assert_eq!(
        culprit,
        [Area {
            offset: 3 * 4096,
            size: 64
        }]
    );
    allocator.release(chunk, culprit[0].offset).expect("it is live");
    assert_eq!(allocator.pinned_pages(64).count(), 9);
    assert_eq!(allocator.pinned_pages(63).count(), 0);
}
