//! The percpu server's decisions, over a model of the kernel.

mod balance;
mod cpus;
mod ends;
mod kernel;
mod pages;
mod promises;
mod random;
mod sheet;
mod trace;
mod world;
