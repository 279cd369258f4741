//! The same behaviours where the wiring is less simple: two followers in a row, a load balancer with a backend that lags, and
//! an execution layer that restarts in the middle. Each beside both kinds of execution layer.

use crate::helpers::{
    behaviours::{
        Course, follows_the_source, payloads_lead_above_safe, recovers,
        unsafe_is_safe_without_payloads,
    },
    beside_both,
    chain::Settings,
    network::Topology,
};
use light_node_devnet::ElBehaviour;
use light_node_protocol::Hardfork;

beside_both!(
    two_in_a_row_take_safe_finalized_and_the_cursor_over,
    two_in_a_row_recover_from_an_l1_reorg,
    two_in_a_row_have_unsafe_at_safe_until_payloads_come,
    behind_a_balancer_safe_finalized_and_the_cursor_are_taken_over,
    behind_a_balancer_an_l1_reorg_is_recovered_from,
    behind_a_balancer_unsafe_is_at_safe_until_payloads_come,
    an_execution_layers_restart_keeps_nobody_from_safe_finalized_and_the_cursor,
    an_execution_layers_restart_keeps_nobody_from_recovering_from_an_l1_reorg,
    an_execution_layers_restart_leaves_unsafe_at_safe_until_payloads_come,
);

async fn by_clock(topology: Topology, el_behaviour: ElBehaviour) {
    let settings = Settings {
        el_behaviour,
        l1_block_seconds: 1,
        ..Settings::by_clock(Hardfork::Jovian)
    };
    follows_the_source(topology, settings).await;
}

const fn on_command(el_behaviour: ElBehaviour) -> Settings {
    Settings {
        el_behaviour,
        ..Settings::on_command()
    }
}

async fn reorg(topology: Topology, el_behaviour: ElBehaviour) {
    recovers(topology, Course::of_depth(1), on_command(el_behaviour)).await;
}

async fn payloads_go_and_come(topology: Topology, el_behaviour: ElBehaviour) {
    unsafe_is_safe_without_payloads(topology, on_command(el_behaviour)).await;
    payloads_lead_above_safe(topology, on_command(el_behaviour)).await;
}

async fn two_in_a_row_take_safe_finalized_and_the_cursor_over(behaviour: ElBehaviour) {
    by_clock(Topology::Chained, behaviour).await;
}

async fn two_in_a_row_recover_from_an_l1_reorg(behaviour: ElBehaviour) {
    reorg(Topology::Chained, behaviour).await;
}

async fn two_in_a_row_have_unsafe_at_safe_until_payloads_come(behaviour: ElBehaviour) {
    payloads_go_and_come(Topology::Chained, behaviour).await;
}

async fn behind_a_balancer_safe_finalized_and_the_cursor_are_taken_over(behaviour: ElBehaviour) {
    by_clock(Topology::Balanced, behaviour).await;
}

async fn behind_a_balancer_an_l1_reorg_is_recovered_from(behaviour: ElBehaviour) {
    reorg(Topology::Balanced, behaviour).await;
}

async fn behind_a_balancer_unsafe_is_at_safe_until_payloads_come(behaviour: ElBehaviour) {
    payloads_go_and_come(Topology::Balanced, behaviour).await;
}

async fn an_execution_layers_restart_keeps_nobody_from_safe_finalized_and_the_cursor(
    behaviour: ElBehaviour,
) {
    by_clock(Topology::ElRestarts, behaviour).await;
}

async fn an_execution_layers_restart_keeps_nobody_from_recovering_from_an_l1_reorg(
    behaviour: ElBehaviour,
) {
    reorg(Topology::ElRestarts, behaviour).await;
}

async fn an_execution_layers_restart_leaves_unsafe_at_safe_until_payloads_come(
    behaviour: ElBehaviour,
) {
    payloads_go_and_come(Topology::ElRestarts, behaviour).await;
}
