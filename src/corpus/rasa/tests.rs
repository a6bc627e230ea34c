//! What becomes of a project's files.
#![expect(clippy::unwrap_used, reason = "a test may end at the first surprise")]

use super::{super::Word, *};
