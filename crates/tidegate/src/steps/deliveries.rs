//! What other tools told, as it lies in the lake.

use crate::workspace::Places;
use anyhow::{Context as _, Result};
use std::collections::BTreeSet;
use tidegate_core::delivery::Event;
use tidegate_store::{DeliveryFilter, DeliveryRow, Lake};

/// Rows of the lake, in the order in which they came; none where there is no lake.
///
/// # Errors
/// When the lake cannot be read.
pub fn rows(places: &Places, filter: &DeliveryFilter) -> Result<Vec<DeliveryRow>> {
    if !places.lake().is_dir() {
        return Ok(vec![]);
    }
    let lake = Lake::open_read_only(&places.lake())?;
    let mut rows = lake.deliveries().read(filter)?.collect::<Result<Vec<_>, _>>()?;
    // A process that died between writing and remembering may have written one twice.
    let mut known = BTreeSet::new();
    rows.retain(|row| known.insert((row.source.clone(), row.id.clone())));
    Ok(rows)
}

/// An event that was kept: what is in the lake was written here.
///
/// # Errors
/// When it is damaged.
pub fn event(row: &DeliveryRow) -> Result<Event> {
    serde_json::from_str(&row.event).with_context(|| format!("read event {} of {} in the lake", row.id, row.source))
}

/// All that were taken.
///
/// # Errors
/// When the lake cannot be read.
pub fn events(places: &Places) -> Result<Vec<Event>> {
    rows(places, &DeliveryFilter::default())?.iter().filter(|row| row.aside.is_empty()).map(event).collect()
}
