//! One file a page; each is a function from its view to HTML.

mod dataset;
mod journal;
mod login;
mod overview;
mod release;
mod risk;
mod risk_change;
mod risk_worth;
mod run;
mod version;

pub use dataset::dataset;
pub use journal::journal;
pub use login::{login, not_found};
pub use overview::overview;
pub use release::release;
pub use risk::risk;
pub use risk_change::risk_change;
pub use run::run;
pub use version::version;
