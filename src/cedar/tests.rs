//! Placeholder until the differential tests stand here.
