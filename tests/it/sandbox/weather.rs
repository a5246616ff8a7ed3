//! Chance that a seed reproduces.

use marketsink::sandbox::{DeliveryFault, Fault, Rng, Weather};

fn deliveries(weather: Weather, seed: u64, n: usize) -> Vec<DeliveryFault> {
    let mut rng = Rng::new(seed);
    (0..n).map(|_| weather.delivery_fault(&mut rng)).collect()
}

#[test]
fn a_seed_reproduces_the_weather() {
    let first = deliveries(Weather::stormy(), 42, 500);
    let again = deliveries(Weather::stormy(), 42, 500);
    let other = deliveries(Weather::stormy(), 43, 500);

    assert_eq!(first, again);
    assert_ne!(first, other);
}

#[test]
fn chance_is_splitmix64_on_every_machine() {
    let mut rng = Rng::new(1_234_567);

    // The published test vector of the algorithm's reference implementation.
    let draws = [rng.draw(), rng.draw(), rng.draw()];

    assert_eq!(
        draws,
        [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423
        ]
    );
}

#[test]
fn calm_weather_lets_everything_through() {
    let mut rng = Rng::new(3);
    let calm = Weather::calm();

    let all_fair = deliveries(calm, 3, 2_000)
        .iter()
        .all(|fault| *fault == DeliveryFault::Fair);
    let answers_fair = (0..2_000).all(|_| calm.answer_fault(&mut rng) == Fault::Fair);
    let reads_fresh = (0..2_000).all(|_| calm.read_lag(&mut rng).is_none());

    assert!(all_fair && answers_fair && reads_fresh);
}

#[test]
fn percentages_are_kept_within_a_few_points() {
    let weather = Weather::stormy();
    let n = 20_000;
    let faults = deliveries(weather, 5, n);
    let share = |is: fn(&DeliveryFault) -> bool| {
        100.0 * faults.iter().filter(|f| is(f)).count() as f64 / n as f64
    };

    let shares = [
        (share(|f| matches!(f, DeliveryFault::Lost)), weather.lost),
        (
            share(|f| matches!(f, DeliveryFault::Doubled)),
            weather.doubled,
        ),
        (share(|f| matches!(f, DeliveryFault::Late(_))), weather.late),
        (
            share(|f| matches!(f, DeliveryFault::Reordered(_))),
            weather.reordered,
        ),
        (
            share(|f| matches!(f, DeliveryFault::Forged)),
            weather.forged,
        ),
    ];

    for (share, percent) in shares {
        assert!(
            (share - f64::from(percent)).abs() < 1.5,
            "{share} % instead of {percent} %"
        );
    }
}

#[test]
fn delays_stay_within_their_bounds() {
    let weather = Weather::stormy();

    for fault in deliveries(weather, 6, 5_000) {
        match fault {
            DeliveryFault::Late(delay) => assert!(delay <= weather.late_by),
            DeliveryFault::Reordered(delay) => assert!(delay <= weather.jitter),
            _ => {}
        }
    }
}

#[test]
fn percentages_of_one_group_fit_into_a_hundred() {
    for weather in [Weather::calm(), Weather::breezy(), Weather::stormy()] {
        let deliveries =
            weather.lost + weather.doubled + weather.late + weather.reordered + weather.forged;
        let answers = weather.rate_limited
            + weather.server_error
            + weather.dropped
            + weather.truncated
            + weather.expired_token;

        assert!(deliveries <= 100 && answers <= 100);
    }
}
