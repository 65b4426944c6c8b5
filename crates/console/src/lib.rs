//! The web pages, drawn on the server.
