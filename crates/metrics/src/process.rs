//! What the process takes from its machine, under the names that all Prometheus clients use. Read at each scrape; only on Linux.

use crate::{Catalogue, Counter, FloatGauge, Gauge};
use std::sync::atomic::AtomicU64;

/// Memory, CPU time and file descriptors of this process.
#[derive(Clone, Debug, Default)]
pub struct ProcessMetrics {
    resident_bytes: Gauge,
    virtual_bytes: Gauge,
    cpu_seconds: Counter<f64, AtomicU64>,
    open_fds: Gauge,
    max_fds: Gauge,
    start_time_seconds: FloatGauge,
}

impl ProcessMetrics {
    /// Takes them into the catalogue.
    pub fn register(&self, catalogue: &mut Catalogue) {
        catalogue.register_as(
            "process_resident_memory_bytes",
            "Resident memory of the process",
            &[],
            self.resident_bytes.clone(),
        );
        catalogue.register_as(
            "process_virtual_memory_bytes",
            "Virtual memory of the process",
            &[],
            self.virtual_bytes.clone(),
        );
        catalogue.register_as(
            "process_cpu_seconds",
            "CPU time that the process has used, in user and system mode",
            &[],
            self.cpu_seconds.clone(),
        );
        catalogue.register_as(
            "process_open_fds",
            "Open file descriptors",
            &[],
            self.open_fds.clone(),
        );
        catalogue.register_as(
            "process_max_fds",
            "File descriptors that the process may open",
            &[],
            self.max_fds.clone(),
        );
        catalogue.register_as(
            "process_start_time_seconds",
            "When the process was started, in seconds since 1970",
            &[],
            self.start_time_seconds.clone(),
        );
        let metrics = self.clone();
        catalogue.on_scrape(move || metrics.refresh());
    }

    /// What cannot be read keeps its last value.
    #[cfg(target_os = "linux")]
    fn refresh(&self) {
        let Ok(process) = procfs::process::Process::myself() else {
            return;
        };
        let clamp = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        if let Ok(stat) = process.stat() {
            let ticks_per_second = procfs::ticks_per_second() as f64;
            self.resident_bytes
                .set(clamp(stat.rss.saturating_mul(procfs::page_size())));
            self.virtual_bytes.set(clamp(stat.vsize));
            let used = (stat.utime + stat.stime) as f64 / ticks_per_second;
            self.cpu_seconds
                .inner()
                .store(used.to_bits(), std::sync::atomic::Ordering::Relaxed);
            if let Ok(boot) = procfs::boot_time_secs() {
                let since_boot = stat.starttime as f64 / ticks_per_second;
                self.start_time_seconds.set(boot as f64 + since_boot);
            }
        }
        if let Ok(open) = process.fd_count() {
            self.open_fds.set(clamp(open as u64));
        }
        if let Ok(limits) = process.limits()
            && let procfs::process::LimitValue::Value(max) = limits.max_open_files.soft_limit
        {
            self.max_fds.set(clamp(max));
        }
    }

    /// Other systems do not say these figures in a file.
    #[cfg(not(target_os = "linux"))]
    fn refresh(&self) {}
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_scrape_reads_the_process_as_it_is() {
        let metrics = ProcessMetrics::default();
        metrics.register(&mut Catalogue::new());
        metrics.refresh();
        assert!(metrics.resident_bytes.get() > 1 << 20);
        assert!(metrics.virtual_bytes.get() >= metrics.resident_bytes.get());
        assert!(metrics.open_fds.get() >= 3);
        assert!(metrics.start_time_seconds.get() > 1.7e9);
    }
}
