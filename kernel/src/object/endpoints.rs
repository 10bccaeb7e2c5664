//! The list of all endpoints, for a CPU that goes: it looks for those at which somebody waits there.

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use core::ops::Bound;

use super::endpoint::{Endpoint, close_here};
use super::receivers::Receivers;
use crate::cpu;
use crate::memory::heap;
use crate::sync::{Lock, rank};

#[derive(Clone)]
struct Entry {
    endpoint: Weak<Endpoint>,
    receivers: Arc<Receivers>,
}

/// By the word at which receivers wait.
static ALL: Lock<BTreeMap<u64, Entry>, { rank::ENDPOINTS }> = Lock::new(BTreeMap::new());

/// Adds a new endpoint.
pub fn add(endpoint: &Arc<Endpoint>, receivers: &Arc<Receivers>) {
    let entry = Entry {
        endpoint: Arc::downgrade(endpoint),
        receivers: receivers.clone(),
    };
    // A list of the kernel's own, as long as there are words for endpoints.
    let _payer = heap::charge_nobody();
    ALL.lock().insert(receivers.word(), entry);
}

/// Forgets an endpoint that goes. By now every CPU on which somebody waits there was told, or has found out here.
pub fn remove(receivers: &Receivers) {
    let removed = ALL.lock().remove(&receivers.word());
    drop(removed);
}

/// Lets everybody who waits on this CPU at any endpoint wait elsewhere. As many steps as there are endpoints, of which
/// the kernel's part of the first chunk has a bounded number.
pub fn move_receivers_away() {
    for_each(Endpoint::move_receivers_away);
}

/// Lets go of everybody who waits on this CPU and has ended. As many steps.
pub fn drop_ended() {
    for_each(Endpoint::drop_ended);
}

/// Lets everybody who waits on this CPU, but belongs elsewhere since another CPU came, wait there. As many steps.
pub fn send_strays_home() {
    for_each(Endpoint::send_strays_home);
}

fn for_each(act: fn(&Arc<Endpoint>)) {
    let mut last = Bound::Unbounded;
    while let Some((word, entry)) = next(last) {
        last = Bound::Excluded(word);
        match entry.map(|entry| (entry.endpoint.upgrade(), entry.receivers)) {
            Some((Some(endpoint), _)) => act(&endpoint),
            Some((None, receivers)) => close_here(&receivers),
            None => {}
        }
        cpu::breathe();
    }
}

/// The next one, if somebody may wait there on this CPU. What is dropped of it goes without the lock.
fn next(last: Bound<u64>) -> Option<(u64, Option<Entry>)> {
    let all = ALL.lock();
    let (word, entry) = all.range((last, Bound::Unbounded)).next()?;
    let is_used = entry.receivers.cpus().contains(cpu::this_cpu());
    Some((*word, is_used.then(|| entry.clone())))
}
