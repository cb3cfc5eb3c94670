//! The verdict over the counted cost of three readings.

/// One reading: how long the input was, and what reading it cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// Bytes of the input.
    pub bytes: u64,
    /// Cost of the reading: executed instructions.
    pub cost: u64,
}

/// The largest ratio that passes for linear. Sorting and trees add a logarithm: 2.2 times the cost for twice the bytes.
/// A cost that grows with the square has the ratio 4.
pub const MOST: f64 = 2.5;

/// By which factor the second half of the growth costs more than the first, when it adds twice as many bytes.
///
/// The three readings have n, 2n and 4n parts. The difference of two readings has no constant part, so that what a
/// reader does for any input hides nothing. A reading that gets no dearer, since the reader refuses by a bound, has
/// the ratio 0.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
pub fn ratio(readings: &[Counted; 3]) -> f64 {
    let [small, middle, large] = readings;
    let more = |from: u64, to: u64| to.saturating_sub(from) as f64;
    let bytes = more(small.bytes, middle.bytes).max(1.0);
    // Less than an instruction for a byte is no reading; noise must not be divided by noise.
    let first = more(small.cost, middle.cost).max(bytes);
    let second = more(middle.cost, large.cost);
    let expected = more(middle.bytes, large.bytes) / bytes;
    second / first / expected * 2.0
}

/// The most bytes that a reader may hold at once for an input of this length. A tree of small elements holds about 20
/// times the bytes of their text.
#[must_use]
pub fn most_held(bytes: u64) -> u64 {
    bytes * 40 + (128 << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(cost: impl Fn(u64) -> u64) -> f64 {
        ratio(&[1000, 2000, 4000].map(|bytes| Counted { bytes, cost: cost(bytes) }))
    }

    #[test]
    fn linear_passes_and_quadratic_does_not() {
        assert!((of(|n| 7 * n + 1_000_000) - 2.0).abs() < 0.01);
        assert!((of(|n| n * n / 10 + 1_000_000) - 4.0).abs() < 0.01);
        assert!(of(|n| 10 * n * u64::from(n.ilog2())) < MOST);
        assert!(of(|n| 100 * n + n * n / 10) > MOST);
        assert!(of(|n| if n > 2500 { 5000 } else { 100 * n }).abs() < 0.01);
        // A bound that stops the first half only hides nothing of the second.
        assert!(of(|n| if n > 2500 { n * n } else { 5000 }) > MOST);
    }
}
