//! A child process that does not outlive its owner, however the owner goes.
//!
//! Dropping covers every return and panic; `setpriv` covers a launcher that is killed.

use std::os::unix::process::ExitStatusExt;
use std::process::Child;
use std::time::{Duration, Instant};

use crate::transcript::Exit;

/// The owner. Dropping it kills the child.
pub struct Guard(pub Child);

impl Guard {
    /// Is it still running?
    pub fn is_running(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(None))
    }

    /// Wait for its end, but not for ever.
    pub fn wait(&mut self, patience: Duration) -> Exit {
        let deadline = Instant::now() + patience;
        loop {
            match self.0.try_wait() {
                Ok(Some(status)) => {
                    return Exit {
                        code: status.code(),
                        signal: status.signal(),
                    };
                }
                Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(2)),
                _ => {
                    return Exit {
                        code: None,
                        signal: None,
                    };
                }
            }
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Both fail only when it is gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
