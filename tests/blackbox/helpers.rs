//! What the behaviours share: a chain, the binary as a process, its RPC, and waiting for an observed state.

/// Makes of each `async fn(ElBehaviour)` two tests: one beside op-reth's ways, one beside op-geth's.
macro_rules! beside_both {
    ($($name:ident),+ $(,)?) => {
        mod op_reth {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$name(light_node_devnet::ElBehaviour::OpReth).await;
                }
            )+
        }

        mod op_geth {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$name(light_node_devnet::ElBehaviour::OpGeth).await;
                }
            )+
        }
    };
}
pub(crate) use beside_both;

pub(crate) mod behaviours;
pub(crate) mod chain;
pub(crate) mod conductor;
pub(crate) mod derived;
pub(crate) mod deriving;
pub(crate) mod door;
pub(crate) mod flags;
pub(crate) mod followed;
pub(crate) mod inbox;
pub(crate) mod invariants;
pub(crate) mod listener;
pub(crate) mod manual;
pub(crate) mod network;
pub(crate) mod peers;
pub(crate) mod posting;
pub(crate) mod process;
pub(crate) mod real_el;
pub(crate) mod recorder;
pub(crate) mod rpc;
pub(crate) mod scrape;
pub(crate) mod secret;
pub(crate) mod wait;
