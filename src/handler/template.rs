//! Handler `template`.
