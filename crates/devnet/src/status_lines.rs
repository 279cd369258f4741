//! One line for each node of the devnet: where its heads are, and whether it keeps up. On a terminal the lines are drawn in
//! place, elsewhere a set is printed now and then.

use crate::{Devnet, Follower, SourceHandle};
use light_node_actor::CancellationToken;
use light_node_devnet_el::{EmbeddedEl, SyncProgress};
use light_node_devnet_l1::EmbeddedL1;
use light_node_node::SafeSourceStatus;
use serde::Serialize;
use std::{
    io::{self, Write},
    sync::Arc,
    time::Duration,
};

/// Time between two sets of lines that are drawn in place.
const REDRAW_INTERVAL: Duration = Duration::from_millis(500);

/// Time between two sets of lines that are printed one after another.
const PRINT_INTERVAL: Duration = Duration::from_secs(10);

/// Heads of one node, by number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Row {
    name: String,
    /// Head of L1, unsafe head of a rollup node.
    head: u64,
    safe: Option<u64>,
    finalized: Option<u64>,
    /// L1 block up to which L2 has been derived.
    l1_cursor: Option<u64>,
    /// Blocks by which safe is behind the source's.
    behind: Option<u64>,
    state: String,
}

impl Row {
    fn render(&self) -> String {
        let part = |label: &str, number: Option<u64>| {
            number.map_or_else(String::new, |number| format!("{label} {number}"))
        };
        let line = format!(
            "{:<13} {:<14} {:<12} {:<17} {:<10} {:<11} {}",
            self.name,
            part("head", Some(self.head)),
            part("safe", self.safe),
            part("finalized", self.finalized),
            part("L1", self.l1_cursor),
            part("behind", self.behind),
            self.state,
        );
        line.trim_end().to_owned()
    }
}

/// Shows the lines of a devnet.
#[derive(Clone, Debug)]
pub struct StatusLines {
    l1: EmbeddedL1,
    sequencer_el: Arc<EmbeddedEl>,
    sequencer: Option<Follower>,
    source: SourceHandle,
    deriver: Option<Follower>,
    followers: Vec<Follower>,
}

impl StatusLines {
    /// The lines of `devnet`. They do not keep it alive.
    pub fn new(devnet: &Devnet) -> Self {
        Self {
            l1: devnet.l1().clone(),
            sequencer_el: devnet.sequencer_el().clone(),
            sequencer: devnet.sequencer_node().cloned(),
            source: devnet.source().clone(),
            deriver: devnet.deriver().cloned(),
            followers: devnet.followers().to_vec(),
        }
    }

    /// The lines of this moment.
    pub fn lines(&self) -> Vec<String> {
        self.rows().iter().map(Row::render).collect()
    }

    /// Writes the lines to `out` until `token` is cancelled: in place on a terminal, one set after another elsewhere.
    ///
    /// # Errors
    /// `out` cannot be written to any more.
    pub async fn show(
        self,
        mut out: impl Write,
        is_terminal: bool,
        token: CancellationToken,
    ) -> io::Result<()> {
        let interval = if is_terminal {
            REDRAW_INTERVAL
        } else {
            PRINT_INTERVAL
        };
        let mut ticks = tokio::time::interval(interval);
        let mut drawn = 0;
        loop {
            tokio::select! {
                biased;
                () = token.cancelled() => return Ok(()),
                _ = ticks.tick() => {}
            }
            let lines = self.lines();
            let text = if is_terminal {
                redraw(&lines, drawn)
            } else {
                print(&lines)
            };
            drawn = lines.len();
            out.write_all(text.as_bytes())?;
            out.flush()?;
        }
    }

    fn rows(&self) -> Vec<Row> {
        let (l1, status) = (self.l1.heads(), self.source.status());
        let safe = status.safe_l2.number;
        let mut rows = vec![
            Row {
                name: "L1".to_owned(),
                head: l1.latest.number,
                safe: l1.safe.map(|block| block.number),
                finalized: l1.finalized.map(|block| block.number),
                state: joined([
                    (l1.reorgs > 0).then(|| format!("{} reorgs", l1.reorgs)),
                    self.l1
                        .fault()
                        .map(|fault| format!("fault {}", name(fault))),
                ]),
                ..Row::default()
            },
            self.sequencer_row(safe),
            Row {
                name: "source".to_owned(),
                head: status.unsafe_l2.number,
                safe: Some(status.safe_l2.number),
                finalized: Some(status.finalized_l2.number),
                l1_cursor: Some(status.current_l1.number),
                state: joined([
                    self.source
                        .fault()
                        .map(|fault| format!("fault {}", name(fault))),
                    None,
                ]),
                ..Row::default()
            },
        ];
        let deriver = self.deriver.iter();
        rows.extend(deriver.map(|node| node_row("deriver".to_owned(), node, safe)));
        rows.extend(
            (1..)
                .zip(&self.followers)
                .map(|(number, one)| node_row(format!("light-node {number}"), one, safe)),
        );
        rows
    }

    fn sequencer_row(&self, source_safe: u64) -> Row {
        let pending = self.sequencer_el.pool().len();
        let pending = format!("{pending} transactions wait");
        let row = match &self.sequencer {
            Some(node) => node_row("sequencer".to_owned(), node, source_safe),
            None => Row {
                name: "sequencer".to_owned(),
                head: self.sequencer_el.view().head().number(),
                state: el_trouble(&self.sequencer_el).unwrap_or_default(),
                ..Row::default()
            },
        };
        let state = [row.state, pending].join(", ");
        Row {
            state: state.trim_start_matches(", ").to_owned(),
            ..row
        }
    }
}

fn node_row(name: String, follower: &Follower, source_safe: u64) -> Row {
    let state = follower.node.engine.state();
    let known = |is_zero: bool, number: u64| (!is_zero).then_some(number);
    let sequencer = follower.node.sequencer.as_ref();
    let builds = sequencer.map(|sequencer| {
        let is_active = sequencer.status().is_active;
        if is_active { "builds" } else { "stopped" }.to_owned()
    });
    let doing = match follower.node.safe_source.status() {
        SafeSourceStatus::Follow(it) => it.not_ready.map_or("following", |reason| reason.name()),
        SafeSourceStatus::Derive(it) => it.not_ready.map_or("deriving", |reason| reason.name()),
    };
    let peers = follower.node.network.as_ref().map(|network| {
        let peers = network.stats().connected;
        format!("{peers} peers")
    });
    let (safe, finalized) = (state.safe_head, state.finalized_head);
    Row {
        name,
        head: state.unsafe_head.number,
        safe: known(safe.is_zero(), safe.number),
        finalized: known(finalized.is_zero(), finalized.number),
        l1_cursor: known(state.current_l1.is_zero(), state.current_l1.number),
        behind: known(safe.is_zero(), source_safe.saturating_sub(safe.number)),
        state: joined([
            builds,
            Some(doing.to_owned()),
            peers,
            el_trouble(&follower.el),
        ]),
    }
}

/// What a command did to an execution layer, or that it fetches blocks: what a node has to live with at the moment.
fn el_trouble(el: &EmbeddedEl) -> Option<String> {
    if !el.is_alive() {
        return Some("EL killed".to_owned());
    }
    if let Some(fault) = el.fault() {
        return Some(format!("EL fault {}", name(fault)));
    }
    if el.is_peer_connected() == Some(false) {
        return Some("EL without peer".to_owned());
    }
    let progress = el.sync_progress()?;
    let SyncProgress {
        current, highest, ..
    } = progress;
    Some(format!("EL syncs {current} of {highest}"))
}

/// The name of a fault as the control methods have it.
fn name(fault: impl Serialize) -> String {
    let name = serde_json::to_value(fault).unwrap_or_default();
    name.as_str().unwrap_or_default().to_owned()
}

fn joined<const N: usize>(parts: [Option<String>; N]) -> String {
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    parts.join(", ")
}

/// The lines over those that were drawn before. Each is cleared to its end, because numbers can get shorter.
fn redraw(lines: &[String], drawn: usize) -> String {
    let up = if drawn > 0 {
        format!("\x1b[{drawn}A")
    } else {
        String::new()
    };
    let lines: String = lines
        .iter()
        .map(|line| format!("\r{line}\x1b[K\n"))
        .collect();
    up + &lines
}

fn print(lines: &[String]) -> String {
    let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
    lines + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Row {
        Row {
            name: "light-node 1".to_owned(),
            head: 57,
            safe: Some(55),
            finalized: Some(40),
            l1_cursor: Some(41),
            behind: Some(2),
            state: "following".to_owned(),
        }
    }

    #[test]
    fn a_row_has_columns_that_stay_where_they_are() {
        let full = row().render();
        assert_eq!(
            full,
            "light-node 1  head 57        safe 55      finalized 40      L1 41      behind 2    following"
        );
        let later = Row {
            head: 1_057,
            safe: Some(1_055),
            ..row()
        }
        .render();
        assert_eq!(later.find("following"), full.find("following"));
    }

    #[test]
    fn unknown_heads_leave_their_column_empty() {
        let row = Row {
            safe: None,
            finalized: None,
            l1_cursor: None,
            behind: None,
            ..row()
        };
        let line = row.render();
        assert_eq!(
            line.split_whitespace().collect::<Vec<_>>(),
            ["light-node", "1", "head", "57", "following"]
        );
        assert_eq!(
            line.find("following"),
            self::row().render().find("following")
        );
    }

    #[test]
    fn lines_are_drawn_over_the_last_ones() {
        let lines = ["a".to_owned(), "b".to_owned()];
        assert_eq!(redraw(&lines, 0), "\ra\x1b[K\n\rb\x1b[K\n");
        assert_eq!(redraw(&lines, 2), "\x1b[2A\ra\x1b[K\n\rb\x1b[K\n");
        assert_eq!(print(&lines), "a\nb\n\n");
    }
}
