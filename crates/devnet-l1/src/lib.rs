//! The embedded L1: blocks, receipts, deposits, reorgs and faults on command.
