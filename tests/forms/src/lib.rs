//! Compiles the code of `docs/forms.md`.
#![doc = include_str!("../../../docs/forms.md")]
