//! What is made once for many requests.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

/// Things by what they were made for. Once there are too many, all are made anew.
pub(super) struct Kept<K, V> {
    by_key: Mutex<HashMap<K, Arc<V>>>,
    most: usize,
}

impl<K: Eq + Hash, V> Kept<K, V> {
    pub(super) fn new(most: usize) -> Self {
        Self { by_key: Mutex::default(), most }
    }

    /// The thing of a key, made if it is not kept. Nobody waits while one is made.
    pub(super) fn get(&self, key: K, make: impl FnOnce() -> Option<V>) -> Option<Arc<V>> {
        let lock = || self.by_key.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = lock().get(&key) {
            return Some(Arc::clone(kept));
        }
        let made = Arc::new(make()?);
        let mut kept = lock();
        if kept.len() >= self.most {
            kept.clear();
        }
        kept.insert(key, Arc::clone(&made));
        Some(made)
    }

    #[cfg(test)]
    pub(super) fn all(&self) -> Vec<Arc<V>> {
        self.by_key.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}
