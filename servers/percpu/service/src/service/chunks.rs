//! What is told of each chunk: the memory objects of the pools, and the windows.

use abi::percpu::map::{CHUNK_WORDS, Chunk, ChunkKind, OWNER_WORDS, Owner, head};
use abi::percpu::may_observe;

use super::{Service, Sheet};
use crate::client::Client;
use crate::ledger::Words;
use crate::mapper::Mapper;
use crate::pools::Pools;
use crate::room::Pages;
use crate::stock::Stock;

impl<M: Mapper, W: Words> Service<M, W> {
    /// Writes them from this word on, as far as there is room. Where they end.
    pub(super) fn write_chunks(&self, sheet: &mut impl Sheet, from: usize) -> usize {
        let windows = self.clients.iter().map(Client::chunk);
        let room = sheet.words().saturating_sub(from) / CHUNK_WORDS;
        let mut told = 0;
        for chunk in self.pools.chunks().chain(windows).take(room) {
            let at = from + told * CHUNK_WORDS;
            for (index, word) in chunk.encode().into_iter().enumerate() {
                sheet.write(at + index, word);
            }
            told += 1;
        }
        sheet.write(head::CHUNKS, told as u64);
        sheet.write(head::CHUNKS_AT, from as u64);
        from + told * CHUNK_WORDS
    }

    /// Writes who is who (O7) from this word on, as far as there is room, for those who may observe.
    pub(super) fn write_owners(&self, badge: u64, sheet: &mut impl Sheet, from: usize) {
        let room = match may_observe(badge) {
            true => sheet.words().saturating_sub(from) / OWNER_WORDS,
            false => 0,
        };
        let mut told = 0;
        for client in self.clients.iter().take(room) {
            let owner = Owner {
                badge: client.badge,
                name: client.name,
                held: client.held(),
            };
            for (index, word) in owner.encode().into_iter().enumerate() {
                sheet.write(from + told * OWNER_WORDS + index, word);
            }
            told += 1;
        }
        sheet.write(head::OWNERS, told as u64);
    }
}

impl Pools {
    fn chunks(&self) -> impl Iterator<Item = Chunk> {
        let reserved = (self.reserved.total() > 0).then(|| self.reserved.chunk(ChunkKind::Reserved));
        let lasting = self.dynamic.lasting_count();
        let dynamic = self.dynamic.stocks().enumerate().map(move |(index, stock)| {
            stock.chunk(match index < lasting {
                true => ChunkKind::First,
                false => ChunkKind::Dynamic,
            })
        });
        let on_touch = self.on_touch.stocks();
        let on_touch = on_touch.map(|stock| stock.chunk(ChunkKind::OnTouch));
        reserved.into_iter().chain(dynamic).chain(on_touch)
    }
}

impl Stock {
    fn chunk(&self, kind: ChunkKind) -> Chunk {
        Chunk {
            used: self.used() as u64,
            clean: self.clean() as u64,
            ..of_pages(kind, self.pages())
        }
    }
}

impl Client {
    fn chunk(&self) -> Chunk {
        Chunk {
            owner: self.badge,
            quota: self.quota_pages,
            ..of_pages(ChunkKind::Window, self.window_pages())
        }
    }
}

fn of_pages(kind: ChunkKind, pages: &Pages) -> Chunk {
    let (mut free_rows, mut longest_row) = (0, 0);
    for row in pages.free_runs() {
        free_rows += 1;
        longest_row = longest_row.max(row.count as u64);
    }
    Chunk {
        kind: kind as u64,
        owner: 0,
        pages: pages.pages() as u64,
        used: (pages.pages() - pages.free_pages()) as u64,
        clean: 0,
        free_rows,
        longest_row,
        quota: 0,
    }
}
