//! The percpu server's decisions, over a model of the kernel.

mod kernel;
mod promises;
mod random;
