//! Dividing an amount over parts without losing or gaining a minor unit. Pure.

/// Divides `amount` in proportion to `weights`: the parts sum to `amount`, and equal weights differ by one at most.
///
/// Rounded by the largest remainder, the earlier first. Weights below 0 count as 0; where all are 0 the parts are equal.
/// Without parts there is nothing to divide over, and the answer is empty.
pub fn apportion(amount: i64, weights: &[i64]) -> Vec<i64> {
    let sum: i128 = weights
        .iter()
        .map(|weight| i128::from((*weight).max(0)))
        .sum();
    let weights: Vec<i128> = weights
        .iter()
        .map(|weight| {
            if sum == 0 {
                1
            } else {
                i128::from((*weight).max(0))
            }
        })
        .collect();
    let sum: i128 = weights.iter().sum();
    if sum == 0 {
        return Vec::new();
    }
    let sign = i128::from(amount.signum());
    let whole = i128::from(amount).abs();
    let mut parts: Vec<i128> = weights.iter().map(|weight| whole * weight / sum).collect();
    let mut left = whole - parts.iter().sum::<i128>();
    let mut by_remainder: Vec<usize> = (0..weights.len()).collect();
    by_remainder.sort_by_key(|part| (std::cmp::Reverse(whole * weights[*part] % sum), *part));
    for part in by_remainder {
        if left == 0 {
            break;
        }
        parts[part] += 1;
        left -= 1;
    }
    let signed = |part: i128| i64::try_from(part * sign).unwrap_or(i64::MAX);
    parts.into_iter().map(signed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_does_not_divide_goes_to_the_largest_remainders() {
        assert_eq!(apportion(100, &[1, 1, 1]), [34, 33, 33]);
        assert_eq!(apportion(10, &[5, 3, 2]), [5, 3, 2]);
        assert_eq!(apportion(-7, &[2, 1]), [-5, -2]);
        assert_eq!(apportion(5, &[0, 0]), [3, 2]);
        assert_eq!(apportion(5, &[]), [0_i64; 0]);
    }

    proptest! {
        #[test]
        fn the_parts_sum_to_the_whole_and_none_is_off_by_a_unit(
            amount in -1_000_000_000_000_i64..1_000_000_000_000,
            weights in prop::collection::vec(0_i64..1_000_000_000, 1..12),
        ) {
            let parts = apportion(amount, &weights);

            prop_assert_eq!(parts.iter().sum::<i64>(), amount);
            let sum: i128 = weights.iter().map(|weight| i128::from(*weight)).sum();
            if sum > 0 {
                for (part, weight) in parts.iter().zip(&weights) {
                    let exact = i128::from(amount) * i128::from(*weight);
                    prop_assert!((i128::from(*part) * sum - exact).abs() < sum);
                }
            }
        }
    }
}
