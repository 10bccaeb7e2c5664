//! Servers for the checks: threads of this program that answer until they are told to stop.

use userlib::Refusal;
use userlib::abi::{Message, Received};
use userlib::ipc::{self, Endpoint};
use userlib::thread::{self, Place, Thread};

/// The label that ends a server.
pub const END: u64 = 99;
/// What an answer's first word has more than the question's.
pub const MORE: u64 = 1000;

/// Times that the CPU is given away for others to go on until they wait.
const PATIENCE: usize = 300;

/// Lets the other threads of this CPU go on until they wait.
pub fn let_others_run() {
    (0..PATIENCE).for_each(|_| thread::yield_now());
}

/// A message with this label and first word.
pub fn message(label: u64, word: u64) -> Message {
    Message::new(label, [word, 2, 3, 4, 5, 6])
}

/// What [`serve`] answers to that.
pub fn answer(label: u64, word: u64) -> Message {
    message(label, word + MORE)
}

/// Serves until `END`: does something first, then answers the same message with a greater first word, and with
/// its own handle of a capability that came along. Ends with
/// the number of messages.
pub fn serve(endpoint: Endpoint, first: impl Fn(&Received)) -> u64 {
    let mut received = endpoint.receive();
    let mut served = 0;
    while let Ok(message) = received {
        served += 1;
        first(&message);
        let mut answer = message.message;
        answer.words[0] = answer.words[0].wrapping_add(MORE);
        if !answer.capability.is_none() {
            answer.words[2] = answer.capability.0;
        }
        if answer.label == END {
            return ipc::reply(&answer).map_or(u64::MAX, |()| served);
        }
        received = endpoint.reply_receive(&answer);
    }
    u64::MAX
}

/// A server at a place, which waits when this returns if it is on this CPU.
pub fn start(
    endpoint: Endpoint,
    place: Place,
    first: impl Fn(&Received) + Send + 'static,
) -> Result<Thread, Refusal> {
    let server = thread::spawn(place, move || serve(endpoint, first))?;
    let_others_run();
    Ok(server)
}

/// Ends a server; the number of messages that it got before.
pub fn stop(endpoint: Endpoint, server: Thread) -> Result<u64, Refusal> {
    endpoint.call(&message(END, 0))?;
    Ok(server.join()? - 1)
}
