//! What others need for the same, measured with the same stop-watch, and what is promised here.
//!
//! librseq's counters are increments of restartable sequences; its pairs are of objects of 64 bytes out of a pool, which it
//! does not clear unless that is said. Linux's pairs are its per-CPU allocator, compiled for user space, with 64 live areas of
//! which the oldest is freed, at 4 CPUs and at 64; there are no locks and no accounts in its numbers.

const CELL: &str = " librseq 11 at-most 1";

const ROWS: [(&str, &str); 8] = [
    ("cell-add", CELL),
    ("cell-add-const", CELL),
    ("cell-increment", CELL),
    ("slab-pair", " librseq 236 at-most 40"),
    (
        "box-pair",
        " librseq 236 librseq-cleared-2-CPUs 368 librseq-cleared-64-CPUs 3592 at-most 236 at-most-64-CPUs 500",
    ),
    ("area-8-pair", " Linux-4-CPUs 1346 Linux-64-CPUs 3866"),
    ("area-64-pair", " Linux-4-CPUs 1410 Linux-64-CPUs 3870"),
    ("area-1024-pair", " Linux-4-CPUs 2348 Linux-64-CPUs 8154"),
];

/// What is printed behind a row; nothing where there is nothing.
pub fn of(name: &str) -> &'static str {
    let row = ROWS.iter().find(|(row, _)| *row == name);
    row.map_or("", |(_, anchors)| anchors)
}
