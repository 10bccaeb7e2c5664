//! New clients.

use alloc::vec::Vec;

use abi::percpu::{INIT_BADGE, Name, PercpuError, name_words, unit_pages};
use abi::window::STATIC_FIRST_PAGE;
use abi::{Handle, Message, PAGE_SIZE};
use percpu_core::PageRange;

use super::{STATIC_TAG, Service};
use crate::client::{Client, Window};
use crate::ledger::{ClientRecord, Counter, State, Words};
use crate::mapper::{Mapper, Piece};
use crate::note::Note;
use crate::pools::Pool;

/// Who is to be attached.
#[derive(Clone, Copy)]
pub(super) struct Newcomer {
    pub badge: u64,
    pub window: Handle,
    pub quota_pages: u64,
    pub static_pages: u64,
    pub name: Name,
}

impl<M: Mapper, W: Words> Service<M, W> {
    pub(super) fn attach(&mut self, number: u64, newcomer: Newcomer) -> Result<Message, PercpuError> {
        let Newcomer {
            badge,
            window,
            quota_pages,
            static_pages,
            name,
        } = newcomer;
        if let Ok(client) = self.clients.find(badge) {
            if client.attached_by != number {
                return Err(PercpuError::Malformed(0));
            }
            let pool = pool_of(&client.statics, self.pools.reserved.memory());
            self.mapper.drop(window);
            self.ledger.count(Counter::AnsweredAgain);
            return Ok(answer(pool));
        }
        if badge == 0 || badge == INIT_BADGE {
            return Err(PercpuError::Malformed(0));
        }
        if static_pages > unit_pages(self.stride) {
            return Err(PercpuError::BadSize(unit_pages(self.stride) * PAGE_SIZE));
        }
        let slot = self.clients.free_slot()?;
        let mut client = Client::new(badge, slot, window, quota_pages, self.units(static_pages))?;
        client.attached_by = number;
        client.name = name_words(&name);
        let statics = self.take_statics(static_pages as usize)?;
        self.ledger.set_client(
            slot,
            &ClientRecord {
                state: State::Making,
                badge,
                quota_pages,
                static_pages,
                intent: 0,
                attached_by: number,
                name: client.name,
            },
        );
        if let Err(refusal) = self.attach_window(window, &statics, slot) {
            self.ledger.set_client_state(slot, State::Free);
            self.give_pieces_back(&statics);
            return Err(refusal);
        }
        let pool = pool_of(&statics, self.pools.reserved.memory());
        client.statics = statics;
        self.ledger.record(&client.static_event());
        self.ledger.set_client_state(slot, State::Live);
        self.clients.put(slot, client);
        Ok(answer(pool))
    }

    /// Pages of the window of a client with such a static part.
    pub(super) fn units(&self, static_pages: u64) -> Window {
        Window {
            pages: (self.stride / PAGE_SIZE) as usize,
            static_end: (STATIC_FIRST_PAGE + static_pages) as usize,
        }
    }

    fn attach_window(&mut self, window: Handle, statics: &[Piece], slot: usize) -> Result<(), PercpuError> {
        self.map(window, statics, STATIC_TAG, Note::ATTACHED)?;
        let told = self.mapper.on_death(window, 1 << slot);
        told.map_err(|refusal| {
            for piece in statics {
                // Of an ended process nothing is left to be unmapped; another refusal is impossible for what was
                // just mapped.
                let _ = self.mapper.unmap(window, piece.window_page, piece.pages, 0);
            }
            refusal.into()
        })
    }

    /// Reserved pages for a static part, or dynamic ones when too few of these are left.
    fn take_statics(&mut self, count: usize) -> Result<Vec<Piece>, PercpuError> {
        if count == 0 {
            return Ok(Vec::new());
        }
        let first = STATIC_FIRST_PAGE as usize;
        let range = PageRange { first, count };
        match self.take_pieces(Pool::Reserved, &[range]) {
            Err(PercpuError::ReservedExhausted { .. }) => self.take_pieces(Pool::Dynamic, &[range]),
            other => other,
        }
    }
}

fn pool_of(statics: &[Piece], reserved: Handle) -> u64 {
    let is_elsewhere = statics.iter().any(|piece| piece.memory != reserved);
    u64::from(is_elsewhere)
}

fn answer(pool: u64) -> Message {
    Message::new(0, [pool, 0, 0, 0, 0, 0])
}
