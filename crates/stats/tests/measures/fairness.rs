//! Measures over groups, against Fairlearn and AIF360's formulas.

use crate::oracle::{Table, flags, one, same, tables, whole};
use proptest::prelude::*;
use std::sync::OnceLock;
use tidegate_stats::compare::categories::fisher_exact;
use tidegate_stats::confidence::wilson;
use tidegate_stats::fairness::{
    Aggregate, GroupCounts, Method, Parity, ReportRows, Share, StratifiedRows, Verdict, directed, four_fifths, group_reports, parity,
    pooled, stratified, tally,
};
use tidegate_stats::rng::Rng;

/// What the oracle says, asked once for all tests.
fn told() -> &'static [Table] {
    static TOLD: OnceLock<Vec<Table>> = OnceLock::new();
    TOLD.get_or_init(|| tables("fairness").unwrap_or_default())
}

/// How near to Fairlearn every figure has to be.
const WITHIN: f64 = 1e-12;

fn counts(group: usize, rows: u64, selected: u64, positives: u64, selected_positives: u64) -> GroupCounts {
    GroupCounts { group, rows, selected, positives, selected_positives }
}

#[test]
fn as_fairlearn_says_on_500_random_tables() {
    let tables = told();
    let mut undefined = 0;
    for (case, table) in tables.iter().enumerate() {
        let groups = tally(&flags(table, "decisions"), &flags(table, "labels"), &whole(table, "groups")).unwrap();
        for (method, prefix) in [(Method::BetweenGroups, "between_groups"), (Method::ToOverall, "to_overall")] {
            for (aggregate, infix) in [(Aggregate::WorstCase, "worst_case"), (Aggregate::Mean, "mean")] {
                let ours = parity(&groups, method, aggregate);
                let mut close = |figure: Option<f64>, name: String| {
                    undefined += usize::from(figure.is_none());
                    same(figure, one(table, &name), WITHIN, &format!("table {case}: {name}"));
                };
                close(ours.demographic_parity_difference, format!("{prefix}.demographic_parity_difference"));
                close(ours.demographic_parity_ratio, format!("{prefix}.demographic_parity_ratio"));
                close(ours.equal_opportunity_difference, format!("{prefix}.equal_opportunity_difference"));
                close(ours.equal_opportunity_ratio, format!("{prefix}.equal_opportunity_ratio"));
                close(ours.equalized_odds_difference, format!("{prefix}.{infix}.equalized_odds_difference"));
                close(ours.equalized_odds_ratio, format!("{prefix}.{infix}.equalized_odds_ratio"));
            }
        }
    }
    assert!(
        tables.is_empty() || (tables.len() == 500 && undefined > 50),
        "{} tables, {undefined} figures that are not defined",
        tables.len()
    );
}

#[test]
fn as_aif360_defines_and_scipy_says_on_random_tables() {
    for (case, table) in told().iter().enumerate() {
        let groups = tally(&flags(table, "decisions"), &flags(table, "labels"), &whole(table, "groups")).unwrap();
        let of = |wanted| groups.iter().find(|g| g.group == wanted).copied().unwrap_or_default();
        let (first, second) = (of(0), of(1));
        let ours = directed(&first, &second, 0.95);
        for (figure, name) in [
            (ours.disparate_impact, "disparate_impact"),
            (ours.statistical_parity_difference, "statistical_parity_difference"),
            (ours.average_odds_difference, "average_odds_difference"),
            (ours.equal_opportunity_difference, "directed_opportunity_difference"),
        ] {
            same(figure.map(|f| f.value), one(table, name), WITHIN, &format!("table {case}: {name}"));
            assert!(figure.is_none_or(|f| f.low <= f.value && f.value <= f.high), "table {case}: {name} {figure:?}");
        }
        let cells = |g: GroupCounts| (g.selected, g.rows - g.selected);
        let p = fisher_exact(cells(first), cells(second)).map(|t| t.p_value);
        same(p.or(Some(1.0)), one(table, "fisher"), 1e-9, &format!("table {case}: fisher"));
        if first.rows > 0 {
            let share = first.selection_rate(0.95);
            same(Some(share.low), table["wilson"][0], WITHIN, "wilson's lower end");
            same(Some(share.high), table["wilson"][1], WITHIN, "wilson's upper end");
        }
    }
}

#[test]
fn figures_worked_out_by_hand() {
    // Selected .5 and .2; of positives .8 and .25; of negatives .3 and 1/6 over 10 of 20 and 4 of 10 positives.
    let groups = [counts(3, 20, 11, 10, 8), counts(7, 10, 2, 4, 1)];
    let between = parity(&groups, Method::BetweenGroups, Aggregate::WorstCase);
    let close = |ours: Option<f64>, by_hand: f64| same(ours, by_hand, 1e-15, "by hand");
    close(between.demographic_parity_difference, 0.55 - 0.2);
    close(between.demographic_parity_ratio, 0.2 / 0.55);
    close(between.equalized_odds_difference, 0.8 - 0.25);
    close(between.equalized_odds_ratio, 0.25 / 0.8);
    close(parity(&groups, Method::BetweenGroups, Aggregate::Mean).equalized_odds_difference, (0.55 + (0.3 - 1.0 / 6.0)) / 2.0);
    close(parity(&groups, Method::ToOverall, Aggregate::WorstCase).demographic_parity_difference, 13.0 / 30.0 - 0.2);
    let against = directed(&groups[1], &groups[0], 0.95);
    close(against.disparate_impact.map(|f| f.value), 0.2 / 0.55);
    close(against.average_odds_difference.map(|f| f.value), 0.5 * ((1.0 / 6.0 - 0.3) + (0.25 - 0.8)));
    assert_eq!(pooled(&groups), counts(3, 30, 13, 14, 9));
    // Newcombe 1998, table II, example a, by method 10: 56 of 70 less 48 of 80.
    let newcombe = directed(&counts(0, 70, 56, 0, 0), &counts(1, 80, 48, 0, 0), 0.95).statistical_parity_difference.unwrap();
    assert!((newcombe.low - 0.0524).abs() < 5e-5 && (newcombe.high - 0.3339).abs() < 5e-5, "{newcombe:?}");
}

#[test]
fn what_is_not_defined_is_none() {
    let none = parity(&[], Method::BetweenGroups, Aggregate::WorstCase);
    assert_eq!(none, Parity::default());
    let nobody = parity(&[counts(0, 9, 0, 3, 0), counts(1, 9, 0, 3, 0)], Method::ToOverall, Aggregate::Mean);
    assert_eq!(
        (nobody.demographic_parity_difference, nobody.demographic_parity_ratio, nobody.equalized_odds_ratio),
        (Some(0.0), None, None)
    );
    let empty = directed(&counts(0, 9, 0, 3, 0), &counts(1, 9, 0, 0, 0), 0.95);
    assert_eq!((empty.disparate_impact, empty.equal_opportunity_difference, empty.average_odds_difference), (None, None, None));
    assert_eq!(tally(&[true], &[true, false], &[0]), None);
    let share = Share::of(0, 0, 0.95);
    assert_eq!((share.estimate, share.low, share.high), (None, 0.0, 1.0));
}

#[test]
fn four_fifths_want_rows_and_significance() {
    let slice = [
        counts(0, 1000, 500, 200, 150), // the highest rate of those with rows enough
        counts(1, 1000, 300, 200, 90),  // three fifths of it, by far not chance
        counts(2, 40, 14, 10, 5),       // less than four fifths, maybe chance
        counts(3, 1000, 450, 200, 90),  // nine tenths
        counts(4, 29, 29, 20, 20),      // too few rows: neither judged nor a reference
        counts(5, 500, 0, 4, 0),        // too few positives
    ];
    let found = four_fifths(&[&slice], 0.05).unwrap().remove(0);
    let verdicts: Vec<Verdict> = found.iter().map(|g| g.verdict).collect();
    use Verdict::{Adverse, Insufficient, NotSignificant, Reference, Within};
    assert_eq!(verdicts, [Reference, Adverse, NotSignificant, Within, Insufficient, Insufficient]);
    assert!(found.iter().all(|g| g.reference == Some(0)));
    let ratio = found[1].ratio.unwrap();
    assert!((ratio.value, ratio.low < 0.6, ratio.high < 0.8) == (0.6, true, true), "{ratio:?}");
    assert_eq!((found[0].p_value, found[4].p_value, found[4].ratio), (None, None, None));
    // Alone with a group that cannot be judged there is nothing to be held against.
    let alone = four_fifths(&[&[slice[0], slice[4]]], 0.05).unwrap().remove(0);
    assert_eq!(alone.iter().map(|g| (g.verdict, g.reference)).collect::<Vec<_>>(), [(Insufficient, None); 2]);
    let nobody = four_fifths(&[&[counts(0, 50, 0, 10, 0), counts(1, 60, 0, 10, 0)]], 0.05).unwrap().remove(0);
    assert_eq!(nobody.iter().map(|g| (g.verdict, g.ratio)).collect::<Vec<_>>(), [(Within, None), (Reference, None)]);
    assert_eq!((four_fifths(&[&slice], 0.0), four_fifths(&[], 0.05)), (None, Some(vec![])));
}

#[test]
fn many_even_slices_make_no_finding_by_chance() {
    let mut rng = Rng::new(2);
    let mut found = (0, 0);
    for _ in 0..60 {
        let group = |g, rng: &mut Rng| counts(g, 60, rng.binomial(60, 0.3), 20, 0);
        let slices: Vec<[GroupCounts; 2]> = (0..100).map(|_| [group(0, &mut rng), group(1, &mut rng)]).collect();
        let all: Vec<&[GroupCounts]> = slices.iter().map(|s| &s[..]).collect();
        let adverse =
            |judged: Vec<Vec<_>>| judged.iter().flatten().any(|g: &tidegate_stats::fairness::FourFifths| g.verdict == Verdict::Adverse);
        found.0 += usize::from(adverse(four_fifths(&all, 0.05).unwrap()));
        found.1 += usize::from(all.iter().any(|slice| adverse(four_fifths(&[slice], 0.05).unwrap())));
    }
    assert!(found.0 <= 6 && found.1 > 50, "worlds with a finding, corrected and not: {found:?}");
}

#[test]
fn strata_turn_the_pooled_measure_round() {
    // The kidney stones of Charig et al. 1986: the first treatment is better in both strata and worse over all.
    let cells = [(0, 0, 81, 87), (0, 1, 192, 263), (1, 0, 234, 270), (1, 1, 55, 80)];
    let (mut decisions, mut groups, mut strata) = (vec![], vec![], vec![]);
    for (group, stratum, selected, rows) in cells {
        for row in 0..rows {
            decisions.push(row < selected);
            groups.push(group);
            strata.push(stratum);
        }
    }
    let rows = StratifiedRows { decisions: &decisions, labels: &decisions, groups: &groups, strata: &strata };
    let found = stratified(rows, (0, 1), Method::BetweenGroups, Aggregate::WorstCase).unwrap();
    assert!(found.reversed && found.strata.iter().all(|s| s.difference.unwrap() > 0.04), "{found:?}");
    same(found.pooled_difference, 273.0 / 350.0 - 289.0 / 350.0, 1e-15, "pooled");
    let weights = [87.0 * 270.0 / 357.0, 263.0 * 80.0 / 343.0];
    let differences = [81.0 / 87.0 - 234.0 / 270.0, 192.0 / 263.0 - 55.0 / 80.0];
    let common = (weights[0] * differences[0] + weights[1] * differences[1]) / (weights[0] + weights[1]);
    same(found.common_difference, common, 1e-15, "common");
    same(found.strata[1].parity.demographic_parity_ratio, (55.0 / 80.0) / (192.0 / 263.0), 1e-15, "within");
    let other = stratified(rows, (0, 9), Method::BetweenGroups, Aggregate::WorstCase).unwrap();
    assert_eq!((other.pooled_difference, other.common_difference, other.reversed), (None, None, false));
    assert_eq!(stratified(StratifiedRows { strata: &[0], ..rows }, (0, 1), Method::ToOverall, Aggregate::Mean), None);
}

#[test]
fn groups_are_reported_with_their_calibration() {
    let mut rng = Rng::new(5);
    let groups: Vec<usize> = (0..20_000).map(|i| i % 2).collect();
    let probabilities: Vec<f64> = groups.iter().map(|_| rng.uniform()).collect();
    // The second group has half the risk that it is told.
    let labels: Vec<bool> = probabilities.iter().zip(&groups).map(|(p, g)| rng.chance(if *g == 1 { p / 2.0 } else { *p })).collect();
    let decisions: Vec<bool> = probabilities.iter().map(|p| *p >= 0.7).collect();
    let rows = ReportRows { probabilities: &probabilities, decisions: &decisions, labels: &labels, groups: &groups };
    let found = group_reports(rows, 10, 0.95).unwrap();
    assert_eq!(found.iter().map(|g| (g.counts.group, g.counts.rows)).collect::<Vec<_>>(), [(0, 10_000), (1, 10_000)]);
    assert!(found[0].calibration_in_the_large.unwrap().abs() < 0.02 && found[0].calibration_error.unwrap() < 0.02, "{found:?}");
    assert!((found[1].calibration_in_the_large.unwrap() - 0.25).abs() < 0.02 && found[1].calibration_error.unwrap() > 0.2, "{found:?}");
    for group in &found {
        for share in [group.selection_rate, group.true_positive_rate, group.false_positive_rate, group.base_rate] {
            assert!(share.low < share.estimate.unwrap() && share.estimate.unwrap() < share.high);
        }
    }
    assert_eq!(group_reports(ReportRows { probabilities: &[0.5], ..rows }, 10, 0.95), None);
    assert_eq!((group_reports(rows, 0, 0.95), group_reports(rows, 10, 1.0)), (None, None));
}

#[test]
fn intervals_cover_about_as_often_as_they_say() {
    let mut rng = Rng::new(31);
    for (p, q) in [(0.3, 0.5), (0.05, 0.2), (0.9, 0.6)] {
        let mut held = [0; 3];
        for _ in 0..2_000 {
            let (a, b) = (counts(0, 80, rng.binomial(80, p), 0, 0), counts(1, 120, rng.binomial(120, q), 0, 0));
            let told = directed(&a, &b, 0.95);
            let inside = |f: tidegate_stats::fairness::Estimate, truth: f64| usize::from(f.low <= truth && truth <= f.high);
            held[0] += inside(told.statistical_parity_difference.unwrap(), p - q);
            held[1] += told.disparate_impact.map_or(0, |f| inside(f, p / q));
            let (low, high) = wilson(80, a.selected, 0.95);
            held[2] += usize::from(low <= p && p <= high);
        }
        assert!(held.iter().all(|h| (1_860..1_980).contains(h)), "{p} {q}: {held:?} of 2000");
    }
}

fn groups() -> impl Strategy<Value = Vec<GroupCounts>> {
    let group = (1u64..50, 0.0..=1.0, 0.0..=1.0, 0.0..=1.0);
    prop::collection::vec(group, 1..6).prop_map(|groups| {
        let of = |whole: u64, share: f64| libm::round(whole as f64 * share) as u64;
        let made = groups.into_iter().enumerate().map(|(group, (rows, base, hits, alarms))| {
            let positives = of(rows, base);
            let selected_positives = of(positives, hits);
            counts(group, rows, selected_positives + of(rows - positives, alarms), positives, selected_positives)
        });
        made.collect()
    })
}

proptest! {
    #[test]
    fn figures_stay_within_their_range(groups in groups()) {
        for method in [Method::BetweenGroups, Method::ToOverall] {
            for aggregate in [Aggregate::WorstCase, Aggregate::Mean] {
                let told = parity(&groups, method, aggregate);
                for figure in [
                    told.demographic_parity_difference, told.demographic_parity_ratio, told.equalized_odds_difference,
                    told.equalized_odds_ratio, told.equal_opportunity_difference, told.equal_opportunity_ratio,
                ].into_iter().flatten() {
                    prop_assert!((0.0..=1.0).contains(&figure), "{:?}", told);
                }
            }
        }
    }

    #[test]
    fn the_order_of_groups_does_not_count(groups in groups(), seed: u64) {
        let mut moved = groups.clone();
        Rng::new(seed).shuffle(&mut moved);
        for method in [Method::BetweenGroups, Method::ToOverall] {
            prop_assert_eq!(parity(&moved, method, Aggregate::Mean), parity(&groups, method, Aggregate::Mean));
        }
    }

    #[test]
    fn turned_round_differences_change_their_sign(groups in groups()) {
        if let [a, b, ..] = groups.as_slice() {
            let (one, other) = (directed(a, b, 0.9), directed(b, a, 0.9));
            for (one, other) in [
                (one.statistical_parity_difference, other.statistical_parity_difference),
                (one.average_odds_difference, other.average_odds_difference),
            ] {
                if let Some((one, other)) = one.zip(other) {
                    prop_assert!((one.value + other.value).abs() < 1e-12 && (one.low + other.high).abs() < 1e-12);
                    prop_assert!(one.low >= -1.0 - 1e-12 && one.high <= 1.0 + 1e-12, "{:?}", one);
                }
            }
            if let Some((one, other)) = one.disparate_impact.zip(other.disparate_impact) {
                prop_assert!((one.value * other.value - 1.0).abs() < 1e-9);
                prop_assert!(one.low > 0.0 && one.low <= one.value && one.value <= one.high && one.high.is_finite());
            }
        }
    }
}
