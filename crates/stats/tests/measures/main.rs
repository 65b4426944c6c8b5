//! Measures of scores and probabilities against scikit-learn, Fairlearn and slow definitions.
#![allow(clippy::unwrap_used, clippy::panic)]

mod oracle;
mod scoring;
