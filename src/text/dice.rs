//! For tests: what comes by chance, and is the same in every run.

/// Numbers that look like chance.
pub(super) struct Dice(pub(super) usize);

impl Dice {
    pub(super) fn next(&mut self) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    pub(super) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.next() % of.len()]
    }

    /// A text of so many parts.
    pub(super) fn text(&mut self, parts: &[&str], count: usize) -> String {
        (0..count).map(|_| self.pick(parts)).collect()
    }

    /// Whether the last throw was one in a power of two.
    pub(super) fn was_one_in(&self, power: usize) -> bool {
        self.0 >> 40 & (power - 1) == 0
    }
}
