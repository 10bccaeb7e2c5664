//! Messages of ten words: every word comes, by the short way and the long one, and none comes that was not sent.

use core::sync::atomic::{AtomicU64, Ordering};

use userlib::abi::message::IN_PAGE;
use userlib::abi::syscall::Placement;
use userlib::abi::{Call, Handle, Registers, Rights, Status};
use userlib::checks::Checks;
use userlib::ipc::{self, Endpoint};
use userlib::memory::Memory;
use userlib::process;
use userlib::syscall::command;
use userlib::thread::{self, Place, Thread};
use userlib::{LongMessage, MessagePage, Refusal, machine, start};

use crate::helpers::{self, END, MORE, answer, let_others_run, message};

/// Calls of one kind.
const CALLS: u64 = 50;

/// Checks everything in this file.
pub fn check(checks: &mut Checks) -> Result<(), Refusal> {
    for cpu in machine::online() {
        all_words(checks, cpu)?;
        only_what_was_sent(checks, cpu)?;
        without_page(checks, cpu)?;
    }
    queued(checks)?;
    pages(checks)
}

fn long(label: u64, word: u64) -> LongMessage {
    LongMessage {
        label,
        words: core::array::from_fn(|index| word + index as u64),
    }
}

/// Adds to every word.
fn answer_to(message: &LongMessage) -> LongMessage {
    LongMessage {
        label: message.label,
        words: message.words.map(|word| word.wrapping_add(MORE)),
    }
}

/// A server with a page, which answers long or, when it is asked with a label 1, short.
fn serve(endpoint: Endpoint) -> Result<u64, Refusal> {
    let mut page = MessagePage::new()?;
    let mut message = page.receive(endpoint)?.1;
    while message.label != END {
        let answer = answer_to(&message);
        message = match message.label {
            1 => {
                let [a, b, c, d, e, f, ..] = answer.words;
                // The sum tells what came in the page.
                let more: u64 = message.words[6..].iter().sum();
                let short = userlib::abi::Message::new(1, [a, b, c, d, e + more, f]);
                ipc::reply(&short)?;
                page.receive(endpoint)?.1
            }
            _ => page.reply_receive(endpoint, &answer)?.1,
        };
    }
    page.reply(&message)?;
    Ok(0)
}

fn start_server(endpoint: Endpoint) -> Result<Thread, Refusal> {
    let server = thread::spawn(Place::Cpu(0), move || serve(endpoint).map_or(1, |code| code))?;
    let_others_run();
    Ok(server)
}

fn stop(checks: &mut Checks, endpoint: Endpoint, server: Thread) -> Result<(), Refusal> {
    endpoint.call(&message(END, 0))?;
    checks.equal("long-server", server.join(), Ok(0));
    ipc::drop_capability(endpoint.0)
}

/// Runs something on a CPU, in a thread of its own.
fn on(cpu: usize, body: impl FnOnce() -> Result<u64, Refusal> + Send + 'static) -> Result<u64, Refusal> {
    thread::spawn(Place::Cpu(cpu), move || body().unwrap_or(u64::MAX))?.join()
}

fn all_words(checks: &mut Checks, cpu: usize) -> Result<(), Refusal> {
    let endpoint = Endpoint::create()?;
    let server = start_server(endpoint)?;
    let wrong = on(cpu, move || {
        let mut page = MessagePage::new()?;
        let wrong = (0..CALLS).filter(|word| {
            let call = long(2, word * 100);
            page.call(endpoint, &call) != Ok(answer_to(&call))
        });
        Ok(wrong.count() as u64)
    });
    checks.equal("long-words", wrong, Ok(0));
    stop(checks, endpoint, server)
}

/// Words of an earlier message are not taken for those of a short one, in neither direction.
fn only_what_was_sent(checks: &mut Checks, cpu: usize) -> Result<(), Refusal> {
    let endpoint = Endpoint::create()?;
    let server = start_server(endpoint)?;
    let wrong = on(cpu, move || {
        let mut page = MessagePage::new()?;
        let mut wrong = 0;
        for _ in 0..CALLS {
            wrong += u64::from(page.call(endpoint, &long(2, 5)) != Ok(answer_to(&long(2, 5))));
            // A short message to a server that has got a long one.
            let short = endpoint.call(&message(1, 1))?;
            wrong += u64::from(short.words != [1, 2, 3, 4, 5, 6].map(|word| word + MORE));
            wrong += u64::from(!short.capability.is_none());
            // A short answer to a long message.
            let answered = page.call(endpoint, &long(1, 0))?;
            wrong +=
                u64::from(answered.words[6..] != [0; 4] || answered.words[4] != 4 + MORE + 6 + 7 + 8 + 9);
        }
        Ok(wrong)
    });
    checks.equal("long-only-what-was-sent", wrong, Ok(0));
    stop(checks, endpoint, server)
}

/// More words need a page at both ends of a call, and are left out of an answer to a caller without one.
fn without_page(checks: &mut Checks, cpu: usize) -> Result<(), Refusal> {
    let endpoint = Endpoint::create()?;
    let server = start_server(endpoint)?;
    let wrong = on(cpu, move || {
        let no_page = endpoint.call(&message(2, 1).with_capability(IN_PAGE));
        let mut wrong = u64::from(no_page != Err(Refusal::new(Status::NoMessagePage)));
        let short = endpoint.call(&message(2, 1))?;
        wrong += u64::from(short.words != [1, 2, 3, 4, 5, 6].map(|word| word + MORE));
        wrong += u64::from(!short.capability.is_none());
        // One that was taken back.
        drop(MessagePage::new()?);
        let no_page = endpoint.call(&message(2, 1).with_capability(IN_PAGE));
        Ok(wrong + u64::from(no_page != Err(Refusal::new(Status::NoMessagePage))))
    });
    checks.equal("long-without-page", wrong, Ok(0));
    stop(checks, endpoint, server)?;
    let endpoint = Endpoint::create()?;
    let server = helpers::start(endpoint, Place::Cpu(0), |_| ())?;
    let wrong = on(cpu, move || {
        let mut page = MessagePage::new()?;
        let refused = page.call(endpoint, &long(2, 1));
        let wrong = u64::from(refused != Err(Refusal::new(Status::NoMessagePage)));
        Ok(wrong + u64::from(endpoint.call(&message(1, 1)) != Ok(answer(1, 1))))
    });
    checks.equal("long-to-server-without-page", wrong, Ok(0));
    checks.equal(
        "long-to-server-without-page-served",
        helpers::stop(endpoint, server)?,
        1,
    );
    // A server without a page cannot answer with more words, and still has its caller.
    let server = thread::spawn(Place::Cpu(0), move || {
        let received = endpoint.receive();
        let refused = endpoint.reply_receive(&message(1, 1).with_capability(IN_PAGE));
        let answered = ipc::reply(&message(1, 1));
        let is_refused = refused == Err(Refusal::new(Status::NoMessagePage));
        u64::from(received.is_err() || !is_refused || answered.is_err())
    })?;
    let_others_run();
    let answered = on(cpu, move || {
        let _page = MessagePage::new()?;
        Ok(u64::from(endpoint.call(&message(1, 1)) != Ok(message(1, 1))))
    });
    checks.equal("long-answer-without-page", answered, Ok(0));
    checks.equal("long-answer-without-page-server", server.join(), Ok(0));
    ipc::drop_capability(endpoint.0)
}

/// Callers that wait before there is a server.
fn queued(checks: &mut Checks) -> Result<(), Refusal> {
    static DONE: AtomicU64 = AtomicU64::new(0);
    let endpoint = Endpoint::create()?;
    let mut number = 0;
    let callers = [(); 3].map(|()| {
        number += 100;
        let call = long(2, number);
        thread::spawn(Place::Cpu(0), move || {
            let answered = MessagePage::new().and_then(|mut page| page.call(endpoint, &call));
            DONE.fetch_add(1, Ordering::SeqCst);
            u64::from(answered != Ok(answer_to(&call)))
        })
    });
    let_others_run();
    checks.equal("long-queued-waits", DONE.load(Ordering::SeqCst), 0);
    let server = start_server(endpoint)?;
    for caller in callers {
        checks.equal("long-queued", caller?.join(), Ok(0));
    }
    stop(checks, endpoint, server)
}

/// What may be a message page.
fn pages(checks: &mut Checks) -> Result<(), Refusal> {
    let plain = Memory::own(2)?;
    let percpu = Memory::create(process::own(), 1, Placement::PerCpu)?;
    let unwritable = process::grant(process::own(), plain.handle(), Rights::READ, 0)?;
    let cases = [
        ("page-nobody", Handle(u64::MAX), 0, Status::NoSuchHandle),
        ("page-console", start::info().console, 0, Status::WrongKind),
        ("page-unwritable", unwritable, 0, Status::MissingRight),
        ("page-percpu", percpu.handle(), 0, Status::BadArgument),
        ("page-misaligned", plain.handle(), 8, Status::Misaligned),
        ("page-behind", plain.handle(), 8192, Status::BadArgument),
        (
            "page-far-behind",
            plain.handle(),
            0u64.wrapping_sub(64),
            Status::BadArgument,
        ),
        ("page-last", plain.handle(), 8192 - 64, Status::Ok),
        ("page-none", Handle::NONE, 8, Status::Ok),
    ];
    for (name, handle, offset, expected) in cases {
        // SAFETY: 1. the memory is mapped nowhere. 2. starts no thread.
        let got = unsafe { command(Call::MessagePage, &Registers::of(&[handle.0, offset])) };
        let got = got.map_or_else(|refusal| refusal.status, |_| Status::Ok);
        checks.equal(name, got, expected);
    }
    ipc::drop_capability(unwritable)
}
