//! Files that DVC tracks beside the stages.

pub(crate) mod ignore;
