"""Tables, figures, pages and the crate: what a study shows."""
