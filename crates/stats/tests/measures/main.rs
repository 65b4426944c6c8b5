//! Measures of scores and probabilities against scikit-learn, Fairlearn and slow definitions.
#![allow(clippy::unwrap_used, clippy::panic)]

mod calibration;
mod conformal;
mod oracle;
mod scoring;
