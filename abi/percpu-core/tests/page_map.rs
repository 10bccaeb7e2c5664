//! The page map against the plainest model there is: one `bool` for each page.

use percpu_core::{PageMap, PageMapError, PageNeed, PageRange, page_map_words};
use proptest::prelude::*;

fn pages(first: usize, count: usize) -> PageRange {
    PageRange { first, count }
}

fn need(count: usize, align_pages: usize) -> PageNeed {
    PageNeed { count, align_pages }
}

#[test]
fn takes_the_lowest_fit() {
    let mut map = PageMap::new([0; 2], 128).unwrap();
    map.allocate_at(pages(2, 1)).unwrap();
    map.allocate_at(pages(60, 10)).unwrap();
    assert_eq!(map.allocate(need(2, 1)), Ok(pages(0, 2)));
    assert_eq!(map.allocate(need(57, 1)), Ok(pages(3, 57)));
    assert_eq!(map.allocate(need(57, 1)), Ok(pages(70, 57)));
    assert_eq!(
        map.allocate(need(2, 1)),
        Err(PageMapError::NoFit { largest_free: 1 })
    );
    assert_eq!(map.allocate(need(1, 1)), Ok(pages(127, 1)));
    assert_eq!((map.free_pages(), map.largest_free()), (0, 0));
}

#[test]
fn aligns_the_first_page() {
    let mut map = PageMap::new([0; 1], 32).unwrap();
    map.allocate_at(pages(0, 1)).unwrap();
    assert_eq!(map.allocate(need(2, 8)), Ok(pages(8, 2)));
    assert_eq!(map.allocate(need(9, 8)), Ok(pages(16, 9)));
    assert_eq!(
        map.allocate(need(8, 8)),
        Err(PageMapError::NoFit { largest_free: 7 })
    );
    assert_eq!(map.largest_free(), 7);
}

#[test]
fn names_every_refusal_and_changes_nothing() {
    let mut map = PageMap::new([0; 1], 40).unwrap();
    map.allocate_at(pages(10, 10)).unwrap();
    let cases = [
        (map.allocate(need(0, 1)).map(drop), PageMapError::NoPages),
        (
            map.allocate(need(1, 0)).map(drop),
            PageMapError::BadAlign { align_pages: 0 },
        ),
        (
            map.allocate(need(1, 3)).map(drop),
            PageMapError::BadAlign { align_pages: 3 },
        ),
        (
            map.allocate(need(21, 1)).map(drop),
            PageMapError::NoFit { largest_free: 20 },
        ),
        (
            map.allocate(need(usize::MAX, 1)).map(drop),
            PageMapError::NoFit { largest_free: 20 },
        ),
        (
            map.allocate(need(21, 1 << 63)).map(drop),
            PageMapError::NoFit { largest_free: 20 },
        ),
        (map.allocate_at(pages(0, 0)), PageMapError::NoPages),
        (
            map.allocate_at(pages(31, 10)),
            PageMapError::OutOfRange { pages: 40 },
        ),
        (
            map.allocate_at(pages(usize::MAX, 2)),
            PageMapError::OutOfRange { pages: 40 },
        ),
        (map.allocate_at(pages(5, 10)), PageMapError::Taken { page: 10 }),
        (map.free(pages(12, 0)), PageMapError::NoPages),
        (map.free(pages(39, 2)), PageMapError::OutOfRange { pages: 40 }),
        (map.free(pages(15, 10)), PageMapError::NotTaken { page: 20 }),
        (map.free(pages(0, 1)), PageMapError::NotTaken { page: 0 }),
    ];
    for (index, (got, expected)) in cases.into_iter().enumerate() {
        assert_eq!(got, Err(expected), "case {index}");
    }
    assert_eq!((map.free_pages(), map.largest_free()), (30, 20));
}

#[test]
fn refuses_storage_that_is_too_small() {
    let too_small = PageMap::new([0; 1], 65).map(drop);
    assert_eq!(
        too_small,
        Err(PageMapError::StorageTooSmall { words: 1, needed: 2 })
    );
}

#[test]
fn refuses_a_double_free() {
    let mut map = PageMap::new(vec![0; page_map_words(100)], 100).unwrap();
    let region = map.allocate(need(7, 1)).unwrap();
    map.free(region).unwrap();
    assert_eq!(map.free(region), Err(PageMapError::NotTaken { page: 0 }));
    assert_eq!(map.free_pages(), 100);
}

#[test]
fn borrows_its_storage_and_clears_it() {
    let mut words = [u64::MAX; 3];
    let mut map = PageMap::new(&mut words[..], 150).unwrap();
    assert_eq!(map.largest_free(), 150);
    map.allocate(need(150, 1)).unwrap();
    // The bits behind page 149 stay clear, so they cannot count as taken pages.
    assert_eq!(words, [u64::MAX, u64::MAX, (1 << 22) - 1]);
}

#[derive(Clone, Debug)]
enum Step {
    Allocate(PageNeed),
    AllocateAt(PageRange),
    Free(PageRange),
    FreeLive(usize),
}

fn any_step() -> impl Strategy<Value = Step> {
    let range = || (0..210usize, 0..80usize).prop_map(|(first, count)| pages(first, count));
    prop_oneof![
        4 => (0..70usize, 0..5u32).prop_map(|(count, bits)| Step::Allocate(need(count, 1 << bits))),
        2 => range().prop_map(Step::AllocateAt),
        1 => range().prop_map(Step::Free),
        4 => any::<usize>().prop_map(Step::FreeLive),
    ]
}

/// One `bool` for each page.
struct Model(Vec<bool>);

impl Model {
    fn all(&self, range: PageRange, taken: bool) -> bool {
        range.count > 0
            && self
                .0
                .get(range.first..range.first + range.count)
                .is_some_and(|p| p.iter().all(|p| *p == taken))
    }

    fn first_fit(&self, need: PageNeed) -> Option<PageRange> {
        (0..self.0.len())
            .step_by(need.align_pages)
            .map(|first| pages(first, need.count))
            .find(|range| self.all(*range, false))
    }

    fn set(&mut self, range: PageRange, taken: bool) {
        self.0[range.first..range.first + range.count].fill(taken);
    }

    fn check(&self, map: &PageMap<[u64; 4]>) {
        assert_eq!(map.free_pages(), self.0.iter().filter(|taken| !**taken).count());
        assert_eq!(map.largest_free(), self.largest_free());
        for page in 0..self.0.len() + 2 {
            assert_eq!(map.is_taken(page), self.0.get(page).copied());
        }
    }

    fn largest_free(&self) -> usize {
        self.0.split(|taken| *taken).map(<[bool]>::len).max().unwrap_or(0)
    }
}

proptest! {
    #[test]
    fn behaves_like_the_model(page_count in 0..200usize, steps in prop::collection::vec(any_step(), 0..120)) {
        let mut model = Model(vec![false; page_count]);
        let mut map = PageMap::new([u64::MAX; 4], page_count).unwrap();
        let mut live = Vec::new();
        for step in steps {
            match step {
                Step::Allocate(need) => {
                    let fit = model.first_fit(need);
                    prop_assert_eq!(map.allocate(need).ok(), fit);
                    fit.iter().for_each(|range| model.set(*range, true));
                    live.extend(fit);
                }
                Step::AllocateAt(range) => {
                    let fits = model.all(range, false);
                    prop_assert_eq!(map.allocate_at(range).is_ok(), fits);
                    if fits {
                        model.set(range, true);
                        live.push(range);
                    }
                }
                Step::Free(range) => {
                    let allowed = model.all(range, true);
                    prop_assert_eq!(map.free(range).is_ok(), allowed);
                    if allowed {
                        model.set(range, false);
                        live.clear();
                    }
                }
                Step::FreeLive(choice) if !live.is_empty() => {
                    let range = live.swap_remove(choice % live.len());
                    prop_assert_eq!(map.free(range), Ok(()));
                    model.set(range, false);
                }
                Step::FreeLive(_) => {}
            }
            model.check(&map);
        }
    }
}
