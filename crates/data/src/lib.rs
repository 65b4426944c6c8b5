//! The columnar engine on DataFusion: contracts, profiles, drift.
