//! The parts of the rollup's L1 contracts that exist here, in their own words.

#![allow(missing_docs, clippy::too_many_arguments)]

alloy_sol_types::sol! {
    /// The deposit contract: whatever enters here becomes a transaction on L2.
    #[derive(Debug)]
    interface IOptimismPortal {
        event TransactionDeposited(address indexed from, address indexed to, uint256 indexed version, bytes opaqueData);

        function depositTransaction(address to, uint256 value, uint64 gasLimit, bool isCreation, bytes data) external payable;
        function donateETH() external payable;
        function minimumGasLimit(uint64 byteCount) external pure returns (uint64);
        function systemConfig() external view returns (address);
        function paused() external view returns (bool);
        function version() external pure returns (string);
    }

    /// The rollup's configuration: each setter logs what derivation must know.
    #[derive(Debug)]
    interface ISystemConfig {
        event ConfigUpdate(uint256 indexed version, uint8 indexed updateType, bytes data);

        function setUnsafeBlockSigner(address unsafeBlockSigner) external;
        function setBatcherHash(bytes32 batcherHash) external;
        function setGasConfig(uint256 overhead, uint256 scalar) external;
        function setGasConfigEcotone(uint32 basefeeScalar, uint32 blobbasefeeScalar) external;
        function setGasLimit(uint64 gasLimit) external;
        function setEIP1559Params(uint32 denominator, uint32 elasticity) external;
        function setOperatorFeeScalars(uint32 operatorFeeScalar, uint64 operatorFeeConstant) external;
        function setMinBaseFee(uint64 minBaseFee) external;
        function setDAFootprintGasScalar(uint16 daFootprintGasScalar) external;

        function owner() external view returns (address);
        function unsafeBlockSigner() external view returns (address);
        function batcherHash() external view returns (bytes32);
        function overhead() external view returns (uint256);
        function scalar() external view returns (uint256);
        function basefeeScalar() external view returns (uint32);
        function blobbasefeeScalar() external view returns (uint32);
        function gasLimit() external view returns (uint64);
        function eip1559Denominator() external view returns (uint32);
        function eip1559Elasticity() external view returns (uint32);
        function operatorFeeScalar() external view returns (uint32);
        function operatorFeeConstant() external view returns (uint64);
        function minBaseFee() external view returns (uint64);
        function daFootprintGasScalar() external view returns (uint16);
        function minimumGasLimit() external view returns (uint64);
        function maximumGasLimit() external pure returns (uint64);
        function optimismPortal() external view returns (address);
        function batchInbox() external view returns (address);
        function startBlock() external view returns (uint256);
        function version() external pure returns (string);
    }
}
