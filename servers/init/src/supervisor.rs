//! Serves programs that start others and end the percpu server.

use abi::percpu::{INIT_BADGE, OBSERVER, PercpuError, Request as PercpuRequest};
use abi::supervisor::{REFUSED, Request};
use abi::syscall::{HIGHEST_PRIORITY, Moment};
use abi::{Handle, Message, Rights};
use arrayvec::{ArrayString, ArrayVec};
use boot_module::{Archive, Run};
use userlib::ipc::{self, Endpoint};
use userlib::notification::Notification;
use userlib::process::{self, Child};
use userlib::thread::{self, Place};
use userlib::{percpu, println, start};

use crate::failure::Failure;
use crate::server::{self, Server};
use crate::{MOST_PROGRAMS, keeper, program};

/// What it needs to start programs.
#[derive(Debug)]
pub struct Supervisor {
    /// Where the programs are.
    pub archive: Archive<'static>,
    /// The percpu server.
    pub server: Server,
    /// Where ends are told.
    pub deaths: Notification,
    /// Its endpoint.
    pub endpoint: Endpoint,
    /// Those who may ask, in the order of their badges, which begin behind init's.
    pub runs: ArrayVec<Run<'static>, MOST_PROGRAMS>,
}

/// Serves in a thread of its own.
pub fn serve(supervisor: &'static Supervisor) -> Result<(), Failure> {
    let mut next_badge = INIT_BADGE + 1 + supervisor.runs.len() as u64;
    let server = thread::spawn(Place::Anywhere, move || {
        // Whoever asks, no lock of init's is held by a thread that others keep from running.
        if thread::set_priority_floor(HIGHEST_PRIORITY).is_err() {
            return 2;
        }
        let mut received = supervisor.endpoint.receive();
        while let Ok(message) = received {
            let answer = supervisor.answer(message.badge, &message.message, &mut next_badge);
            let answer = answer.unwrap_or_else(|failure| {
                println!("init: {failure}");
                Message::new(REFUSED, [0; 6])
            });
            received = supervisor.endpoint.reply_receive(&answer);
            for given in [message.message.capability, answer.capability] {
                // A process that was started is its starter's alone; nobody may fill init's table with others.
                let _ = ipc::drop_capability(given);
            }
        }
        1
    });
    // It outlives everything: nobody joins it.
    server.map(drop).map_err(Failure::doing("start a thread"))
}

impl Supervisor {
    fn answer(&self, badge: u64, message: &Message, next_badge: &mut u64) -> Result<Message, Failure> {
        let done = |word| Message::new(0, [word, 0, 0, 0, 0, 0]);
        match Request::decode(message).ok_or(Failure::NoRequest(message.label))? {
            Request::Launch(numbers) => {
                // Also for one that fails half-way: the percpu server may know it by its badge for a while.
                let new_badge = *next_badge;
                *next_badge += 1;
                let process = self.launch(badge, numbers, new_badge)?.process();
                return Ok(done(0).with_capability(process));
            }
            Request::ArmServer([calls, moment]) => server::arm(calls, decode(moment)?)?,
            Request::ArmNextServer([calls, moment]) => server::arm_next(calls, decode(moment)?),
            Request::Restarts => return Ok(done(keeper::restarts())),
            Request::SetQuota(quota_pages) => {
                self.ask_server(&PercpuRequest::SetQuota { badge, quota_pages })?;
            }
            Request::Drain => return self.ask_server(&PercpuRequest::Drain).map(done),
            Request::EndServer => server::end()?,
            Request::Frames => {
                let [own, pools, objects, bytes] = server::frames()?;
                return Ok(Message::new(0, [own, pools, objects, bytes, 0, 0]));
            }
            Request::Machine => {
                let rights = Rights::READ.or(Rights::WRITE).or(Rights::GRANT);
                let machine = process::grant(process::own(), start::info().handover.machine, rights, 0);
                let machine = machine.map_err(Failure::doing("hand the machine on"))?;
                return Ok(done(0).with_capability(machine));
            }
            Request::SetCpu([cpu, is_on]) => {
                let request = match is_on {
                    0 => PercpuRequest::CpuOffline { cpu },
                    1 => PercpuRequest::CpuOnline { cpu },
                    other => return Err(Failure::NoRequest(other)),
                };
                let answer = percpu::call_again(self.server.privileged, &server::numbered(&request));
                let answer = answer.map_err(percpu::Error::Kernel)?;
                return Ok(Message::new(0, [answer.label, answer.words[0], 0, 0, 0, 0]));
            }
        }
        Ok(done(0))
    }

    /// One more process of the program with this badge.
    fn launch(&self, badge: u64, [a, b, c]: [u64; 3], new_badge: u64) -> Result<Child, Failure> {
        let index = (badge & !OBSERVER).checked_sub(INIT_BADGE + 1);
        let run = index.and_then(|index| self.runs.get(index as usize));
        let run = run.ok_or(Failure::NoRequest(badge))?;
        let mut argument = ArrayString::<80>::new();
        // Three numbers of at most 20 digits fit.
        let _ = core::fmt::Write::write_fmt(&mut argument, format_args!("launched {a} {b} {c}"));
        let run = Run {
            argument: &argument,
            has_supervisor: false,
            is_in_turn: false,
            ..*run
        };
        program::launch(&self.archive, self, &run, program::badge(&run, new_badge))
    }

    fn ask_server(&self, request: &PercpuRequest) -> Result<u64, Failure> {
        let message = request.encode();
        let answer = percpu::call_again(self.server.privileged, &message).map_err(percpu::Error::Kernel)?;
        Ok(PercpuError::from_answer(&answer).map_err(percpu::Error::Refused)?[0])
    }

    /// A program's way to this one.
    pub fn grant_to(&self, child: &Child, badge: u64) -> Result<Handle, Failure> {
        let granted = process::grant(child.process(), self.endpoint.0, Rights::SEND, badge);
        granted.map_err(Failure::doing("grant the supervisor's endpoint"))
    }
}

fn decode(moment: u64) -> Result<Moment, Failure> {
    Moment::from_word(moment).ok_or(Failure::NoRequest(moment))
}
