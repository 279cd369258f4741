//! Check 5: what the source says now against what was applied last.
