//! The book under `docs/`: everything that it shows is true of the program, and nothing in it leads nowhere.
//!
//! `RINGFENCE_BLESS=1 cargo test --test it book` writes what is printed into the pages.

#[path = "book/cookbook.rs"]
mod cookbook;
#[path = "book/diagnostics.rs"]
mod diagnostics;
#[path = "book/house.rs"]
mod house;
#[path = "book/kinds.rs"]
mod kinds;
#[path = "book/page.rs"]
mod page;
#[path = "book/played.rs"]
mod played;
