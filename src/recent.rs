//! A map that remembers the latest of what it was given, in bounded memory.

use std::collections::HashMap;
use std::hash::Hash;

/// The last `most` entries at least, and at most twice as many: when the young half is full, it becomes
/// the old one, and the old one is forgotten.
#[derive(Debug)]
pub struct RecentMap<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    most: usize,
}

impl<K: Eq + Hash, V> RecentMap<K, V> {
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), most }
    }

    #[must_use]
    pub fn get(&self, key: &K) -> Option<&V> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    #[must_use]
    pub fn contains(&self, key: &K) -> bool {
        self.get(key).is_some()
    }

    /// Remembers the value, as the latest one.
    pub fn insert(&mut self, key: K, value: V) {
        if self.young.len() >= self.most {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }

    /// The value, or the default one, which is among the latest from now on.
    pub fn entry(&mut self, key: K) -> &mut V
    where
        K: Clone,
        V: Default,
    {
        if !self.young.contains_key(&key) {
            let value = self.old.remove(&key).unwrap_or_default();
            self.insert(key.clone(), value);
        }
        self.young.entry(key).or_default()
    }

    /// All that is remembered, the older half first. A key may come twice, its latest value last.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.old.iter().chain(&self.young)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_are_there_and_memory_is_bounded() {
        let mut map = RecentMap::new(10);
        for n in 0..1000_u32 {
            map.insert(n, n);
            assert!((n.saturating_sub(9)..=n).all(|recent| map.get(&recent) == Some(&recent)), "{n}");
            assert!(map.iter().count() <= 20, "{n}");
        }
        assert!(!map.contains(&0));
    }

    #[test]
    fn what_is_used_again_stays() {
        let mut map: RecentMap<u32, u32> = RecentMap::new(10);
        *map.entry(7) += 1;
        for n in 100..1000 {
            map.insert(n, n);
            *map.entry(7) += 1;
        }
        assert_eq!(map.get(&7), Some(&901));
    }
}
