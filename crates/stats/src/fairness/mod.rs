//! How evenly decisions fall on groups, and how well scores fit in each: the measures of Fairlearn and AIF360 with numbers of
//! rows and intervals, the rule of four fifths, and strata.
//!
//! Not here: what is fair. Where groups have different shares of positives, no score can be calibrated in each and have equal
//! error rates in all, unless it is perfect (Kleinberg, Mullainathan and Raghavan, "Inherent trade-offs in the fair
//! determination of risk scores", ITCS 2017; Chouldechova, Big Data 5, 2017): a report has to say which of the two it asks for.
//! Groups are numbers; who calls knows their names. What is selected may be a burden as well as a benefit: that too is told
//! by who calls.

mod counts;
mod directed;
mod four_fifths;
mod interval;
mod parity;
mod report;
mod strata;

pub use counts::{GroupCounts, Share, pooled, tally};
pub use directed::{Directed, directed};
pub use four_fifths::{FOUR_FIFTHS, FourFifths, POSITIVES_MIN, ROWS_MIN, Verdict, four_fifths};
pub use interval::{Estimate, sum};
pub use parity::{Aggregate, Method, Parity, parity};
pub use report::{GroupReport, ReportRows, group_reports};
pub use strata::{Stratified, StratifiedRows, Stratum, stratified};
