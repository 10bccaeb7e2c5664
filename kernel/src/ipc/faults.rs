//! Faults as messages: the thread calls its fault endpoint, and the answer is a verdict.
//!
//! A thread that waits for one has an attention bit, so the assembly never answers it. Its frame is the exception's:
//! it leaves by IRET with all of its registers.

use alloc::sync::Arc;

use abi::fault::{FAULT_REGISTERS, Fault, FaultRegisters, Verdict};
use abi::{Registers, Status};

use crate::cpu;
use crate::fault::PAGE_FAULT;
use crate::memory::address_space::USER_END;
use crate::object::endpoint::Call;
use crate::object::{Endpoint, Parked, Running};
use crate::refusal::{Answer, DONE, Refusal, require};
use crate::schedule;

/// Bytes of the record of registers.
const BYTES: usize = FAULT_REGISTERS * 8;

/// The running thread tells its fault, and waits.
pub fn send(mut current: Running, endpoint: Arc<Endpoint>, badge: u64) {
    let address = match current.context().frame.vector {
        PAGE_FAULT => cpu::fault_address(),
        _ => 0,
    };
    current.note_fault(address);
    let Some(mut receiver) = endpoint.take_receiver() else {
        let caller = current.park();
        return super::send(endpoint, Call { caller, badge });
    };
    let mut words = words(&mut current);
    words[0] = badge;
    receiver.take_over(current.context().priority);
    receiver.answer(Ok(Registers(words)));
    receiver.set_caller_here(current.park());
    drop(endpoint);
    schedule::switch_to(receiver);
}

/// The words that tell a thread's fault.
pub fn words(caller: &mut Parked) -> [u64; 9] {
    let thread = caller.thread().number;
    let context = caller.context();
    let fault = Fault {
        vector: context.frame.vector,
        error: context.frame.error,
        address: context.fault_address,
        instruction: context.frame.rip,
        stack: context.frame.rsp,
        flags: context.frame.rflags,
        thread,
    };
    Registers::message(0, &fault.encode()).0
}

/// The verdict on a thread's fault. Refused, nothing has changed.
pub fn judge(caller: &mut Parked, words: &[u64; 9]) -> Result<(), Refusal> {
    let [_, label, instruction, stack, ..] = *words;
    require(words[super::CAPABILITY] == 0, Status::BadArgument)?;
    let verdict = Verdict::from_word(label).ok_or(Status::BadArgument)?;
    if verdict == Verdict::ResumeAt {
        require(instruction < USER_END && stack <= USER_END, Status::BadAddress)?;
        let frame = &mut caller.context().frame;
        [frame.rip, frame.rsp] = [instruction, stack];
    }
    caller.settle_fault(verdict != Verdict::End);
    Ok(())
}

/// `FaultRegisters`: `[address]`.
pub fn registers(handler: &mut Running, words: &[u64; 9]) -> Answer {
    let registers = with_faulted(handler, |faulted| faulted.context().frame.all())?;
    let mut bytes = [0; BYTES];
    for (to, word) in bytes.chunks_exact_mut(8).zip(registers.encode()) {
        to.copy_from_slice(&word.to_le_bytes());
    }
    handler.process().living_space()?.copy_out(words[0], &bytes)?;
    DONE
}

/// `FaultSetRegisters`: `[address]`.
pub fn set_registers(handler: &mut Running, words: &[u64; 9]) -> Answer {
    with_faulted(handler, |_| ())?;
    let mut bytes = [0; BYTES];
    handler.process().living_space()?.copy_in(words[0], &mut bytes)?;
    let mut record = [0; FAULT_REGISTERS];
    for (to, word) in record.iter_mut().zip(bytes.chunks_exact(8)) {
        *to = word.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    }
    let registers = FaultRegisters::decode(&record);
    let is_user = registers.instruction < USER_END && registers.stack <= USER_END;
    require(is_user, Status::BadAddress)?;
    with_faulted(handler, |faulted| faulted.context().frame.set_all(&registers))?;
    DONE
}

/// Does something with the faulted thread that the handler holds.
fn with_faulted<T>(handler: &mut Running, act: impl FnOnce(&mut Parked) -> T) -> Result<T, Refusal> {
    let mut caller = handler.thread().take_caller().ok_or(Status::NotFaulted)?;
    let result = match caller.has_faulted() {
        true => Ok(act(&mut caller)),
        false => Err(Status::NotFaulted.into()),
    };
    handler.set_caller(caller);
    result
}
