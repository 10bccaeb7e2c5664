//! (in the making)
#![no_std]
#![forbid(unsafe_code)]
