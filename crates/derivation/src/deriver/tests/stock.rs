//! Kona's own pipeline on the same L1: equal where nothing is amiss, and the faults for which stages of ours stand in its place.
