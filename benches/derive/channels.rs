//! Decompression of channels, ours beside kona's.

use crate::{
    chain::Block,
    report::{Report, percentile},
};
use alloy_primitives::Bytes;
use light_node_derivation::{decompress, decompress_stock};
use std::{
    io::Write as _,
    time::{Duration, Instant},
};

/// Bytes of a channel before compression: of a chain with little traffic, one that fills a blob, and one that fills six; and how
/// many times kona's speed Brotli has at least. What is saved is the same for each channel, some two milliseconds.
const SIZES: [(&str, usize, f64); 3] = [
    ("32 KiB", 32 << 10, 3.0),
    ("256 KiB", 256 << 10, 2.5),
    ("1.5 MiB", 1536 << 10, 1.2),
];
/// What a channel may hold from Fjord on.
const LIMIT: usize = 100_000_000;
/// Each is decompressed over and over for so long.
const TIME: Duration = Duration::from_millis(400);

/// Measures both on channels of the chain's own transactions.
pub(crate) fn channels(blocks: &[Block], report: &mut Report) {
    let transactions = blocks.iter().flat_map(|block| &block.transactions);
    let plain: Vec<u8> = transactions.flatten().copied().collect();
    for (name, size, brotli_at_least) in SIZES {
        let plain = &plain[..size];
        // Kona's zlib stands on the same decoder; what it lacks is a limit.
        for (kind, channel, at_least) in [
            ("brotli", brotli(plain), brotli_at_least),
            ("zlib", zlib(plain), 0.85),
        ] {
            assert_eq!(decompress(&channel, LIMIT), Some(size));
            assert_eq!(decompress_stock(&channel, LIMIT), Some(size));
            let mut ratios = Vec::new();
            let mut ours = Vec::new();
            let began = Instant::now();
            while began.elapsed() < TIME {
                let kona = time(|| decompress_stock(&channel, LIMIT));
                let own = time(|| decompress(&channel, LIMIT));
                ratios.push(kona / own);
                ours.push(own * 1e3);
            }
            Report::note(
                &format!("{kind} channel of {name} from {} KiB", channel.len() >> 10),
                percentile(&mut ours, 50),
                "ms",
            );
            report.at_least(
                &format!("{kind} channel of {name}, times kona's speed"),
                percentile(&mut ratios, 50),
                at_least,
                "x",
            );
        }
    }
}

fn time<T>(work: impl Fn() -> T) -> f64 {
    let began = Instant::now();
    std::hint::black_box(work());
    began.elapsed().as_secs_f64()
}

fn brotli(plain: &[u8]) -> Bytes {
    let mut channel = vec![1];
    let mut writer = brotli::CompressorWriter::new(&mut channel, 4096, 10, 22);
    writer.write_all(plain).unwrap();
    drop(writer);
    channel.into()
}

fn zlib(plain: &[u8]) -> Bytes {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap().into()
}
