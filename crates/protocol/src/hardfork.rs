//! The names and the order of the hardforks. When each becomes active is up to the [`RollupConfig`](crate::RollupConfig).

use core::fmt;

/// The hardforks of the OP Stack in order of activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hardfork {
    /// The first fork of the rollup-node protocol; active from genesis on every chain.
    Bedrock,
    /// Deposit gas accounting.
    Regolith,
    /// Shanghai on L2.
    Canyon,
    /// Span batches.
    Delta,
    /// Cancun on L2, blobs on L1.
    Ecotone,
    /// Brotli channels, FastLZ fees.
    Fjord,
    /// Shorter channel timeout.
    Granite,
    /// EIP-1559 parameters in the header.
    Holocene,
    /// Prague on L2, withdrawals root in the header, operator fee.
    Isthmus,
    /// Minimum base fee, DA footprint.
    Jovian,
    /// Osaka on L2.
    Karst,
    /// Interop (formerly called so).
    Lagoon,
}

impl Hardfork {
    /// All forks in order of activation.
    pub const ALL: [Self; 12] = [
        Self::Bedrock,
        Self::Regolith,
        Self::Canyon,
        Self::Delta,
        Self::Ecotone,
        Self::Fjord,
        Self::Granite,
        Self::Holocene,
        Self::Isthmus,
        Self::Jovian,
        Self::Karst,
        Self::Lagoon,
    ];

    /// The lower-case name that configuration files use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bedrock => "bedrock",
            Self::Regolith => "regolith",
            Self::Canyon => "canyon",
            Self::Delta => "delta",
            Self::Ecotone => "ecotone",
            Self::Fjord => "fjord",
            Self::Granite => "granite",
            Self::Holocene => "holocene",
            Self::Isthmus => "isthmus",
            Self::Jovian => "jovian",
            Self::Karst => "karst",
            Self::Lagoon => "lagoon",
        }
    }
}

impl fmt::Display for Hardfork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
