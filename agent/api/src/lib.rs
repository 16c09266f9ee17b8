//! Shared words.
#![no_std]
extern crate alloc;
