use super::*;
use crate::fixture::run::{clean, leaking};

const HOUR: f64 = 3600.0;

fn life(begun: f64, last: f64) -> Life {
    Life { begun, until: last, last, is_whole: true }
}

const WINDOW: f64 = 8.0 * HOUR;

/// A series that has been followed for so many windows of this record, by itself.
fn after(count: usize, window: &RunRecord) -> Watched {
    let mut one = Watched::new(0.0, life(0.0, 0.0));
    for k in 1..=count {
        one.follow(life(0.0, k as f64 * 8.0 * HOUR));
        assert!(one.window(WINDOW).is_some());
        one.look(window);
    }
    one
}

#[test]
fn windows_share_no_reading() {
    let mut one = Watched::new(0.0, life(0.0, 0.0));
    let mut ends = vec![0.0];
    for minutes in (0..25 * 60).step_by(5) {
        one.follow(life(0.0, 60.0 * f64::from(minutes)));
        if let Some(from) = one.window(WINDOW) {
            assert_eq!(Some(&from), ends.last());
            one.look(&clean());
            ends.push(60.0 * f64::from(minutes));
        }
    }
    assert_eq!(ends, [0.0, 8.0, 16.0, 24.0].map(|hours| hours * HOUR));
}

#[test]
fn a_leak_is_told_after_two_windows_and_later_in_a_large_fleet() {
    let told = |count: usize, fleet: usize| {
        let mut all = vec![after(count, &leaking())];
        all.extend(std::iter::repeat_n(after(count, &clean()), fleet - 1));
        tell(9.0, &mut all);
        assert!(all[1..].iter().all(|one| one.told.is_none()));
        all[0].told == Some(9.0)
    };
    assert_eq!([told(1, 2), told(2, 2), told(2, 1000)], [false, true, true]);
    assert!(!told(2, 1_000_000) && told(3, 1_000_000));
}

#[test]
fn what_is_told_is_withdrawn_by_a_clean_window_and_by_another_life() {
    let mut leak = after(3, &leaking());
    tell(9.0, [&mut leak]);
    assert!(leak.told.is_some());
    let mut restarted = leak;
    restarted.follow(life(24.0 * HOUR + 30.0, 24.0 * HOUR + 60.0));
    assert_eq!((restarted.told, restarted.looks(), restarted.window(WINDOW)), (None, 0, None));
    // Nobody looked for so long that nothing is known of when this life began.
    let mut missed = leak;
    missed.follow(Life { is_whole: false, ..life(90.0 * HOUR, 98.0 * HOUR) });
    assert!(missed.told.is_some() && missed.looks() == 3);
    // The same life goes on: readings before the window are known no more.
    leak.follow(life(20.0 * HOUR, 32.0 * HOUR));
    assert!(leak.told.is_some() && leak.window(WINDOW) == Some(24.0 * HOUR));
    leak.look(&clean());
    tell(10.0, [&mut leak]);
    assert!(leak.told.is_none() && leak.bet.worth() < 1.0);
}

#[test]
fn what_is_told_is_withdrawn_though_the_life_before_is_still_taken_for_it() {
    let mut leak = after(3, &leaking());
    tell(9.0, [&mut leak]);
    let ended = 24.0 * HOUR;
    // It restarts, and is looked at more often than a worker is known to have ended.
    leak.follow(Life { until: ended, ..life(0.0, ended + 1.0) });
    leak.follow(Life { until: ended, ..life(0.0, ended + 2.0) });
    assert!(leak.told.is_some());
    leak.follow(life(ended + 1.0, ended + 3.0));
    assert_eq!((leak.told, leak.looks()), (None, 0));
    // A pool whose workers take turns goes on.
    let mut pool = after(3, &leaking());
    tell(9.0, [&mut pool]);
    pool.follow(life(20.0 * HOUR, ended + 60.0));
    assert!(pool.told.is_some());
}

#[test]
fn what_restarts_within_a_window_is_judged_over_its_lives() {
    let mut one = Watched::new(0.0, life(0.0, 0.0));
    let mut looks = 0;
    for hours in (2..34).step_by(2).map(f64::from) {
        // Another life every two hours.
        one.follow(life((hours - 2.0) * HOUR + 30.0, hours * HOUR));
        if one.window(WINDOW).is_some() {
            one.look(&leaking());
            looks += 1;
        }
    }
    assert_eq!(looks, 4);
    tell(9.0, [&mut one]);
    assert!(one.told.is_some());
}

#[test]
fn the_state_of_a_series_is_read_as_it_was_written() {
    let one = after(5, &leaking());
    let read: Watched = serde_json::from_str(&serde_json::to_string(&one).unwrap()).unwrap();
    assert!(read == one && read.is_sound());
    assert!(!Watched { last: f64::NAN, ..one }.is_sound());
}

#[test]
fn the_life_that_goes_on_is_that_of_the_oldest_worker_still_there() {
    let mut record = leaking();
    record.samples.sort_by(|a, b| a.t.total_cmp(&b.t));
    let (first, end) = (record.samples[0].t, record.samples.last().unwrap().t);
    let all = last_life(&record, 100.0, 100.0, 5.0).unwrap();
    assert_eq!((all.begun, all.last, all.is_whole), (100.0 + first, 100.0 + end, first > 5.0));
    let worker = record.samples[0].worker;
    record.samples.iter_mut().filter(|s| s.t > end / 2.0).for_each(|s| s.worker.start += 1_000_000);
    let second = last_life(&record, 100.0, 100.0, 5.0).unwrap();
    assert!(
        second.is_whole
            && second.begun > 100.0 + end / 2.0
            && worker.start != record.samples.last().unwrap().worker.start
    );
    record.samples.clear();
    assert_eq!(last_life(&record, 0.0, 0.0, 5.0), None);
}
