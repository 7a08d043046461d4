//! Writes the seeds of the corpus: `cargo run --example seeds` in this folder (twice after a change of format).

mod captures;

use model::artifact::{Channel, ChannelPointer, Digest};

fn main() -> std::io::Result<()> {
    std::fs::create_dir_all("corpus/capture")?;
    for (name, bytes) in captures::seeds()? {
        std::fs::write(format!("corpus/capture/{name}"), bytes)?;
    }
    let small = fuzz::make_small();
    std::fs::write("corpus/artifact/small", &small)?;
    let length = u32::from_le_bytes(small[8..12].try_into().expect("four bytes")) as usize;
    let mut at = 12 + length + 72;
    let manifest: model::artifact::Manifest =
        rmp_serde::from_slice(&small[12..12 + length]).expect("our own manifest");
    for (section, choice) in manifest.sections.iter().zip([0u8, 4, 1]) {
        let packed = &small[at..at + section.length as usize];
        at += packed.len();
        if section.name != "selftest" {
            let plain = zstd::stream::decode_all(packed)?;
            std::fs::write(
                format!("corpus/artifact_body/{}", section.name),
                [&[choice], &plain[..]].concat(),
            )?;
        }
    }
    let pointer = ChannelPointer {
        format: 1,
        name: "small".to_owned(),
        channel: Channel::Production,
        digest: Digest::of(b""),
        serial: 1,
        sequence: 2,
        cohort_percent: 50,
        not_after: 9,
    };
    let file = pointer.write(&fuzz::key()).expect("small enough");
    std::fs::write("corpus/pointer/head", &file[12..file.len() - 72])?;
    std::fs::write("corpus/pointer/file", file)
}
