//! Serialised twins: journal records, tidegate.yaml, foreign formats, HTTP bodies.
