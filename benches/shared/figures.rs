//! What benches of the whole program have in common: what they are asked for, and how they tell what they found. Must not measure.

use std::{env, str::FromStr};

/// A setting of the run, from the environment.
pub fn asked<T: FromStr>(name: &str, usual: T) -> T {
    env::var(name).map_or(usual, |text| text.parse().unwrap_or_else(|_| panic!("{name} can't be `{text}`")))
}

/// Of an even number, the mean of the two in the middle.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    let (low, high) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
    f64::midpoint(low, high)
}

/// Whether what is promised holds, as tables say it.
pub fn verdict(holds: bool) -> &'static str {
    if holds { "holds" } else { "**missed**" }
}
