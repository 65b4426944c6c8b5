//! The binary from outside, as a user or an auditor meets it: exit codes, the words that matter, and what is left on
//! disk when something goes wrong. Not here: the loop over real data, which `make up` plays.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[cfg(feature = "data")]
#[path = "cli/ab.rs"]
mod ab;
#[path = "cli/audit.rs"]
mod audit;
#[cfg(feature = "data")]
#[path = "cli/breaker.rs"]
mod breaker;
#[path = "cli/browser.rs"]
mod browser;
#[path = "cli/bundle.rs"]
mod bundle;
#[cfg(feature = "data")]
#[path = "cli/canaries.rs"]
mod canaries;
#[cfg(feature = "data")]
#[path = "cli/check.rs"]
mod check;
#[path = "cli/chromium.rs"]
mod chromium;
#[path = "../../adapters/tests/cluster/mod.rs"]
mod cluster;
#[path = "cli/config.rs"]
mod config;
#[path = "cli/data.rs"]
mod data;
#[cfg(feature = "data")]
#[path = "cli/deployments.rs"]
mod deployments;
#[path = "cli/door.rs"]
mod door;
#[cfg(feature = "data")]
#[path = "cli/drift.rs"]
mod drift;
#[cfg(feature = "data")]
#[path = "cli/drivers.rs"]
mod drivers;
#[cfg(feature = "data")]
#[path = "cli/duty.rs"]
mod duty;
#[path = "cli/empty.rs"]
mod empty;
#[cfg(feature = "data")]
#[path = "cli/environments.rs"]
mod environments;
#[path = "cli/events.rs"]
mod events;
#[path = "cli/exp.rs"]
mod exp;
#[cfg(feature = "data")]
#[path = "cli/features.rs"]
mod features;
#[path = "cli/federate.rs"]
mod federate;
#[cfg(feature = "data")]
#[path = "cli/follow.rs"]
mod follow;
#[cfg(feature = "data")]
#[path = "cli/freeze.rs"]
mod freeze;
#[path = "cli/gate.rs"]
mod gate;
#[cfg(feature = "data")]
#[path = "cli/gating.rs"]
mod gating;
#[cfg(feature = "data")]
#[path = "cli/guardrails.rs"]
mod guardrails;
#[path = "cli/handover.rs"]
mod handover;
#[path = "cli/hooks.rs"]
mod hooks;
#[path = "cli/image.rs"]
mod image;
#[path = "cli/judge.rs"]
mod judge;
#[path = "cli/killed.rs"]
mod killed;
#[path = "cli/metrics.rs"]
mod metrics;
#[cfg(feature = "data")]
#[path = "cli/neighbours.rs"]
mod neighbours;
#[cfg(feature = "data")]
#[path = "cli/notify.rs"]
mod notify;
#[cfg(feature = "data")]
#[path = "cli/observe.rs"]
mod observe;
#[cfg(feature = "data")]
#[path = "cli/people.rs"]
mod people;
#[cfg(feature = "data")]
#[path = "cli/postgres.rs"]
mod postgres;
#[cfg(feature = "data")]
#[path = "cli/preview.rs"]
mod preview;
#[path = "cli/providers.rs"]
mod providers;
#[path = "cli/quantise.rs"]
mod quantise;
#[cfg(feature = "data")]
#[path = "cli/replicas.rs"]
mod replicas;
#[cfg(feature = "data")]
#[path = "cli/report.rs"]
mod report;
#[path = "cli/reproduce.rs"]
mod reproduce;
#[cfg(feature = "data")]
#[path = "cli/retrain.rs"]
mod retrain;
#[path = "cli/risk.rs"]
mod risk;
#[path = "cli/risk_kept.rs"]
mod risk_kept;
#[path = "cli/risk_pages.rs"]
mod risk_pages;
#[path = "cli/risk_policy.rs"]
mod risk_policy;
#[path = "cli/risk_reviews.rs"]
mod risk_reviews;
#[path = "cli/risk_worth.rs"]
mod risk_worth;
#[path = "cli/run.rs"]
mod run;
#[path = "cli/sim.rs"]
mod sim;
#[cfg(feature = "data")]
#[path = "cli/sources.rs"]
mod sources;
#[path = "cli/stand_in.rs"]
mod stand_in;
#[cfg(feature = "data")]
#[path = "cli/stored.rs"]
mod stored;
#[cfg(feature = "data")]
#[path = "../../adapters/tests/streams/gate.rs"]
mod stream_gate;
#[cfg(feature = "data")]
#[path = "../../adapters/tests/streams/servers.rs"]
mod stream_servers;
#[cfg(feature = "data")]
#[path = "cli/streams.rs"]
mod streams;
#[path = "cli/tls_front.rs"]
mod tls_front;
#[cfg(feature = "data")]
#[path = "cli/train.rs"]
mod train;
#[path = "cli/train_fit.rs"]
mod train_fit;
#[path = "cli/train_order.rs"]
mod train_order;
#[path = "cli/tree_models.rs"]
mod tree_models;
#[path = "cli/up.rs"]
mod up;
#[path = "cli/upstreams.rs"]
mod upstreams;
#[path = "cli/world.rs"]
mod world;
