//! What the machine was doing meanwhile, by `/proc`: figures of another run are only worth comparing with if it did about the same.

use std::fs;

/// Ticks of all processors and a sample of who wanted one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Machine {
    all: f64,
    idle: f64,
    stolen: f64,
    /// Sums over samples.
    runnable: f64,
    samples: f64,
}

impl Machine {
    pub(crate) fn now() -> Self {
        let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
        let line = stat.lines().next().unwrap_or_default();
        let ticks: Vec<f64> = line
            .split_whitespace()
            .skip(1)
            .filter_map(|field| field.parse().ok())
            .collect();
        let tick = |index: usize| ticks.get(index).copied().unwrap_or_default();
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let runnable = load.split_whitespace().next();
        Self {
            // Guests are counted as users already.
            all: ticks.iter().take(8).sum(),
            idle: tick(3) + tick(4),
            stolen: tick(7),
            runnable: runnable
                .and_then(|load| load.parse().ok())
                .unwrap_or_default(),
            samples: 1.0,
        }
    }

    /// What has gone on since `before`.
    pub(crate) fn since(&self, before: &Self) -> Self {
        Self {
            all: self.all - before.all,
            idle: self.idle - before.idle,
            stolen: self.stolen - before.stolen,
            ..*self
        }
    }

    pub(crate) fn add(&mut self, more: &Self) {
        self.all += more.all;
        self.idle += more.idle;
        self.stolen += more.stolen;
        self.runnable += more.runnable;
        self.samples += more.samples;
    }

    /// Of all processors' time, that in which one worked.
    pub(crate) fn busy(&self) -> f64 {
        1.0 - self.idle / self.all
    }

    /// Of all processors' time, that which others than this machine had.
    pub(crate) fn stolen(&self) -> f64 {
        self.stolen / self.all
    }

    /// The load of the last minute, at the ends of all parts.
    pub(crate) fn runnable(&self) -> f64 {
        self.runnable / self.samples
    }
}
