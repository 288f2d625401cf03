//! The program's verbs.
